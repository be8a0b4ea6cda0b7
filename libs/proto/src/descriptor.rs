//! The descriptor set as typed messages, with the extension options that GlobCRM reads.
//!
//! `prost_types` drops extension fields when it decodes. On the wire an extension is a field like any other, so these
//! messages name the ones we use by their numbers; everything else in the set is skipped.

use prost::Message;

use crate::buf_validate::FieldRules;
use crate::common::v1::{EventPolicy, FieldPolicy, MethodPolicy};
use crate::google_api::HttpRule;

/// All files, imports included.
#[derive(Clone, PartialEq, Message)]
pub struct FileDescriptorSet {
    #[prost(message, repeated, tag = "1")]
    pub file: Vec<FileDescriptor>,
}

/// One `.proto` file.
#[derive(Clone, PartialEq, Message)]
pub struct FileDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub package: String,
    #[prost(message, repeated, tag = "4")]
    pub message_type: Vec<MessageDescriptor>,
    #[prost(message, repeated, tag = "5")]
    pub enum_type: Vec<EnumDescriptor>,
    #[prost(message, repeated, tag = "6")]
    pub service: Vec<ServiceDescriptor>,
    #[prost(message, optional, tag = "9")]
    pub source_code_info: Option<SourceCodeInfo>,
}

/// One message type.
#[derive(Clone, PartialEq, Message)]
pub struct MessageDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub field: Vec<FieldDescriptor>,
    #[prost(message, repeated, tag = "3")]
    pub nested_type: Vec<MessageDescriptor>,
    #[prost(message, repeated, tag = "4")]
    pub enum_type: Vec<EnumDescriptor>,
    #[prost(message, optional, tag = "7")]
    pub options: Option<MessageOptions>,
}

/// Options of a message.
#[derive(Clone, PartialEq, Message)]
pub struct MessageOptions {
    #[prost(bool, tag = "7")]
    pub map_entry: bool,
    /// `globcrm.common.v1.event`.
    #[prost(message, repeated, tag = "50004")]
    pub events: Vec<EventPolicy>,
}

/// One field; `label` and `r#type` are those of `google.protobuf.FieldDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub struct FieldDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "3")]
    pub number: i32,
    /// 1 optional, 2 required, 3 repeated.
    #[prost(int32, tag = "4")]
    pub label: i32,
    #[prost(enumeration = "prost_types::field_descriptor_proto::Type", tag = "5")]
    pub r#type: i32,
    /// With a leading dot.
    #[prost(string, tag = "6")]
    pub type_name: String,
    #[prost(int32, optional, tag = "9")]
    pub oneof_index: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub options: Option<FieldOptions>,
    #[prost(bool, tag = "17")]
    pub proto3_optional: bool,
}

/// Options of a field.
#[derive(Clone, PartialEq, Message)]
pub struct FieldOptions {
    /// `google.api.field_behavior` (AIP-203).
    #[prost(enumeration = "crate::google_api::FieldBehavior", repeated, packed = "false", tag = "1052")]
    pub behavior: Vec<i32>,
    /// `buf.validate.field`.
    #[prost(message, optional, tag = "1159")]
    pub rules: Option<FieldRules>,
    /// `globcrm.common.v1.field`.
    #[prost(message, optional, tag = "50002")]
    pub policy: Option<FieldPolicy>,
}

/// One enum type.
#[derive(Clone, PartialEq, Message)]
pub struct EnumDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub value: Vec<EnumValueDescriptor>,
}

/// One value of an enum.
#[derive(Clone, PartialEq, Message)]
pub struct EnumValueDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "2")]
    pub number: i32,
}

/// One service.
#[derive(Clone, PartialEq, Message)]
pub struct ServiceDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub method: Vec<MethodDescriptor>,
}

/// One method.
#[derive(Clone, PartialEq, Message)]
pub struct MethodDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    /// With a leading dot.
    #[prost(string, tag = "2")]
    pub input_type: String,
    /// With a leading dot.
    #[prost(string, tag = "3")]
    pub output_type: String,
    #[prost(message, optional, tag = "4")]
    pub options: Option<MethodOptions>,
    #[prost(bool, tag = "5")]
    pub client_streaming: bool,
    #[prost(bool, tag = "6")]
    pub server_streaming: bool,
}

/// Options of a method.
#[derive(Clone, PartialEq, Message)]
pub struct MethodOptions {
    /// `google.api.http`.
    #[prost(message, optional, tag = "72295728")]
    pub http: Option<HttpRule>,
    /// `globcrm.common.v1.method`.
    #[prost(message, optional, tag = "50001")]
    pub policy: Option<MethodPolicy>,
}

/// Comments of a file, by path into the descriptor.
#[derive(Clone, PartialEq, Message)]
pub struct SourceCodeInfo {
    #[prost(message, repeated, tag = "1")]
    pub location: Vec<Location>,
}

/// One commented place.
#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(int32, repeated, tag = "1")]
    pub path: Vec<i32>,
    #[prost(string, optional, tag = "3")]
    pub leading_comments: Option<String>,
}
