"""Needs a framework that is nowhere."""

import framework_that_is_nowhere

describe = framework_that_is_nowhere.describe
