//! The `idforge` command.

fn main() {}
