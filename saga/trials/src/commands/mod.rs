//! The commands of `./dev`, one in each file.

pub(crate) mod test_env;
