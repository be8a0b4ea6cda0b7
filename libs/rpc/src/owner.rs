//! What other services ask of every service that keeps records, by methods that all of these have.

/// Declares the client of such a service: its type, the package of its messages, the module and the type of its generated client.
macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $package:ident, $module:ident :: $client:ident) => {
        use auth::Context;
        use error::Error;
        use proto::common::v1::{RecordIds, RecordName};
        use proto::$package::v1::$module::$client;
        use proto::$package::v1::{CheckRecordsRequest, GetRecordNamesRequest};
        use tonic::Request;

        use crate::Channel;

        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            client: $client<Channel>,
        }

        impl $name {
            /// A client.
            pub fn new(channel: Channel) -> Self {
                Self { client: $client::new(channel) }
            }

            /// Those of the ids that name nothing which the caller may refer to.
            pub async fn check_records(
                &self,
                cx: &Context,
                records: Vec<RecordIds>,
            ) -> Result<Vec<RecordIds>, Error> {
                let mut request = Request::new(CheckRecordsRequest { records });
                cx.forward(request.metadata_mut())?;
                Ok(self.client.clone().check_records(request).await?.into_inner().unknown)
            }

            /// Those of the records that exist, with their names as far as the caller may read them.
            pub async fn names(
                &self,
                cx: &Context,
                records: Vec<RecordIds>,
            ) -> Result<Vec<RecordName>, Error> {
                let mut request = Request::new(GetRecordNamesRequest { records });
                cx.forward(request.metadata_mut())?;
                Ok(self.client.clone().get_record_names(request).await?.into_inner().names)
            }
        }
    };
}

pub(crate) use owner;
