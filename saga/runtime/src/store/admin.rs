//! What an operator may look at.
