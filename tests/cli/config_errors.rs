//! One snapshot for each mistake in a configuration.
