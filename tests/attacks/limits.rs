//! Rate limits under a slow store, and what refused requests cost.
