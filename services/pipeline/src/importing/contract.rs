//! Messages of imports have one shape in all services (a test of the gateway holds them to it): what `libs/imports` reads and says are those of
//! `records`.

use error::Error;
use prost::Message;

/// A message of one service as that of another.
pub(crate) fn same<A: Message, B: Message + Default>(message: &A) -> Result<B, Error> {
    B::decode(message.encode_to_vec().as_slice()).map_err(Error::internal)
}
