//! What the contract says of a method, known by the type of its request.

/// The request of a method; no two methods have the same. `cargo xtask proto` implements it for all of them.
pub trait Rpc {
    /// `globcrm.records.v1.RecordsService/CreateContact`.
    const NAME: &'static str;
    /// Who may call it.
    const ACCESS: Access;
}

/// A method that takes a stream is known by the messages of the stream.
impl<T: Rpc> Rpc for tonic::Streaming<T> {
    const NAME: &'static str = T::NAME;
    const ACCESS: Access = T::ACCESS;
}

/// Who may call a method. The gate decides by it, before the method's own code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without credentials.
    Public,
    /// Services, by their token.
    Internal,
    /// Every authenticated principal, as it reaches only the caller's own; an API key may need a permission for it.
    Own {
        /// What an API key needs.
        key: Option<Permission>,
    },
    /// Whoever has the permission on any row.
    Permission(Permission),
}

/// The right to do something with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `contact`; [`Permission::ANY`] for any object that has the action.
    pub object: &'static str,
    /// `create`.
    pub action: &'static str,
}

impl Permission {
    /// Stands for any object: the operation asks for the one that its request names.
    pub const ANY: &'static str = "*";
}
