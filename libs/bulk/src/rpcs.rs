//! The RPCs of operations and of bulk operations, which every service that keeps records has under the same names.

/// Declares these RPCs in the implementation of a service, whose app is its field `0` and has the members `gate`, `operations` and `bulk`:
/// `operation_rpcs!(records, details)`. The first word is the package of its messages; the second is a method of the service that adds what
/// the service itself knows of operations before they are shown. They have the form that `async_trait` gives to methods, which it
/// cannot do in a macro.
#[macro_export]
macro_rules! operation_rpcs {
    ($package:ident, $details:ident) => {
        $crate::operation_rpcs! { @rpc $package
            create_bulk_operation(CreateBulkOperationRequest) -> CreateBulkOperationResponse,
            |service, cx, request| {
                let asked = $crate::Request {
                    object: &request.object,
                    filter: &request.filter,
                    ids: &request.ids,
                    action: &request.action,
                    changes: &request.changes,
                    dry_run: request.dry_run,
                    max_affected: request.max_affected,
                };
                let answer = |operation, preview| {
                    ::proto::$package::v1::CreateBulkOperationResponse { operation, preview }
                };
                Ok(match service.0.bulk.create(&cx, &request, asked).await? {
                    $crate::Created::Operation(queued) => {
                        queued.map(|queued| answer(Some(queued), None)).respond(&cx)
                    }
                    $crate::Created::Preview(preview) => cx.answer(answer(None, Some(preview))),
                })
            }
        }
        $crate::operation_rpcs! { @rpc $package
            undo_operation(UndoOperationRequest) -> UndoOperationResponse,
            |service, cx, request| {
                let queued = service.0.bulk.undo(&cx, &request, &request.id).await?;
                let answer = |operation| ::proto::$package::v1::UndoOperationResponse {
                    operation: Some(operation),
                };
                Ok(queued.map(answer).respond(&cx))
            }
        }
        $crate::operation_rpcs! { @rpc $package
            get_operation(GetOperationRequest) -> GetOperationResponse,
            |service, cx, request| {
                let mut operation = ::operations::get(&service.0.operations, &cx, &request.id).await?;
                service.$details(&cx, ::std::slice::from_mut(&mut operation)).await?;
                Ok(cx.answer(::proto::$package::v1::GetOperationResponse { operation: Some(operation) }))
            }
        }
        $crate::operation_rpcs! { @rpc $package
            list_operations(ListOperationsRequest) -> ListOperationsResponse,
            |service, cx, request| {
                let ::proto::$package::v1::ListOperationsRequest { page_size, page_token } = request;
                let listed = ::operations::list(&service.0.operations, &cx, page_size, &page_token).await?;
                let ::operations::Listed { mut operations, next_page_token } = listed;
                service.$details(&cx, &mut operations).await?;
                Ok(cx.answer(::proto::$package::v1::ListOperationsResponse { operations, next_page_token }))
            }
        }
        $crate::operation_rpcs! { @rpc $package
            cancel_operation(CancelOperationRequest) -> CancelOperationResponse,
            |service, cx, request| {
                let mut operation = ::operations::cancel(&service.0.operations, &cx, &request.id).await?;
                service.$details(&cx, ::std::slice::from_mut(&mut operation)).await?;
                Ok(cx.answer(::proto::$package::v1::CancelOperationResponse { operation: Some(operation) }))
            }
        }

        type GetOperationErrorsStream = ::futures_util::stream::BoxStream<
            'static,
            Result<::proto::$package::v1::GetOperationErrorsResponse, ::tonic::Status>,
        >;

        $crate::operation_rpcs! { @rpc $package
            get_operation_errors(GetOperationErrorsRequest) -> (Self::GetOperationErrorsStream),
            |service, cx, request| {
                use ::futures_util::{StreamExt as _, TryStreamExt as _};
                let pieces = ::operations::errors(&service.0.operations, &cx, &request.id).await?;
                let answer = |::operations::Piece { content_type, data }| {
                    ::proto::$package::v1::GetOperationErrorsResponse {
                        content_type: content_type.to_owned(),
                        data,
                    }
                };
                Ok(cx.answer(pieces.map_ok(answer).boxed()))
            }
        }
    };
    (@rpc $package:ident $name:ident($request:ident) -> $response:ident, $($rest:tt)*) => {
        $crate::operation_rpcs! {
            @rpc $package $name($request) -> (::proto::$package::v1::$response), $($rest)*
        }
    };
    (@rpc $package:ident $name:ident($request:ident) -> ($response:ty), |$service:ident, $cx:ident, $body:ident| $block:block) => {
        fn $name<'life, 'call>(
            &'life self,
            request: ::tonic::Request<::proto::$package::v1::$request>,
        ) -> ::std::pin::Pin<
            Box<
                dyn Future<Output = Result<::tonic::Response<$response>, ::tonic::Status>> + Send + 'call,
            >,
        >
        where
            'life: 'call,
            Self: 'call,
        {
            let $service = self;
            Box::pin(async move {
                let ($cx, $body) = $service.0.gate.admit(request).await?;
                let answered: Result<::tonic::Response<$response>, ::tonic::Status> = $block;
                answered
            })
        }
    };
}
