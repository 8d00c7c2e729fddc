// Drawn by the plotting library, when there is one in the page.
const figures = () => null;
