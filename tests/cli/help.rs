//! The help texts are the first documentation that people read: a change of them shows here.
