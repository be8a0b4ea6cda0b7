//! JSON text without a value tree: reading token by token, copying through, writing.

pub(crate) mod copy;
pub(crate) mod pick;
pub(crate) mod scan;
pub(crate) mod write;
