//! `cargo xtask proto`: proto/ -> libs/proto/src/generated, with protox (no protoc on any machine).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Files handed to the compiler: every `.proto` below `proto/globcrm`, in a stable order.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.join("proto/globcrm")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "proto") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Generates all files in memory: file name -> content.
fn generate(root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut compiler = protox::Compiler::new([root.join("proto")]).context("proto/ as include path")?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(sources(root)?).context("compiling proto/")?;
    // Encoded by protox itself: prost-types would drop the extension options that the gateway lives on.
    let descriptor_bytes = compiler.encode_file_descriptor_set();
    let descriptors = compiler.file_descriptor_set();

    let pool = compiler.descriptor_pool();
    let secret = messages_with_secrets(&pool)?;
    let out = tempdir(root)?;
    let mut config = prost_build::Config::new();
    // Ordered maps: the same message always encodes to the same bytes, which is what a kept request is compared by.
    config.bytes(["."]).btree_map(["."]).out_dir(&out).skip_protoc_run();
    config.skip_debug(secret.keys().map(|m| format!(".{m}")));
    tonic_prost_build::configure()
        .out_dir(&out)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .compile_fds_with_config(descriptors, config)
        .context("generating Rust")?;

    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&out)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name.starts_with("globcrm.") || name.starts_with("google.api") || name.starts_with("buf.") {
            files.insert(name, std::fs::read(&path)?);
        }
    }
    std::fs::remove_dir_all(&out)?;
    files.insert("descriptors.bin".to_owned(), descriptor_bytes);
    files.insert("redacted.rs".to_owned(), redacted_debug(&secret)?);
    files.insert("resources.rs".to_owned(), resources(&pool)?);
    files.insert("rpcs.rs".to_owned(), rpcs(&pool)?);
    files.insert("objects.rs".to_owned(), objects(&pool)?);
    Ok(files)
}

fn tempdir(root: &Path) -> Result<PathBuf> {
    let dir = root.join("target/xtask/proto");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// A field of a message that holds a secret, and the other fields beside it.
struct SecretMessage {
    plain: Vec<String>,
    secret: Vec<String>,
}

/// Messages with a field marked `secret`, by full name. Their derived `Debug` would print it.
///
/// Read by reflection, not through libs/proto: the generator must run when the generated code is broken.
fn messages_with_secrets(pool: &prost_reflect::DescriptorPool) -> Result<BTreeMap<String, SecretMessage>> {
    let policy = pool
        .get_extension_by_name("globcrm.common.v1.field")
        .context("the field option globcrm.common.v1.field is not defined")?;
    let is_secret = |field: &prost_reflect::FieldDescriptor| {
        let options = field.options();
        let value = options.get_extension(&policy);
        value
            .as_message()
            .and_then(|m| m.get_field_by_name("secret"))
            .and_then(|v| v.as_bool())
            .unwrap_or(false)
    };
    let mut found = BTreeMap::new();
    for message in pool.all_messages() {
        let (secret, plain): (Vec<_>, Vec<_>) = message.fields().partition(is_secret);
        if !secret.is_empty() {
            let names = |fields: Vec<prost_reflect::FieldDescriptor>| {
                fields.iter().map(|f| f.name().to_owned()).collect()
            };
            let entry = SecretMessage { plain: names(plain), secret: names(secret) };
            found.insert(message.full_name().to_owned(), entry);
        }
    }
    Ok(found)
}

/// `Debug` implementations that name secret fields and hide their values.
fn redacted_debug(messages: &BTreeMap<String, SecretMessage>) -> Result<Vec<u8>> {
    let mut text = String::new();
    for (name, message) in messages {
        let rust = rust_path(name);
        let short = rust.rsplit("::").next().unwrap_or_default();
        text.push_str(&format!("impl std::fmt::Debug for {rust} {{ fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{ f.debug_struct(\"{short}\")"));
        for field in &message.plain {
            let member = if field == "type" { "r#type" } else { field };
            text.push_str(&format!(".field(\"{field}\", &self.{member})"));
        }
        for field in &message.secret {
            text.push_str(&format!(".field(\"{field}\", &\"[redacted]\")"));
        }
        text.push_str(".finish() } }\n");
    }
    let syntax = syn_parse(&text)?;
    Ok(format!("// @generated by `cargo xtask proto`: messages that hold secrets.\n{syntax}").into_bytes())
}

/// The members of every message that a method changes by an update mask.
fn resources(pool: &prost_reflect::DescriptorPool) -> Result<Vec<u8>> {
    use prost_reflect::Kind;

    let policy = pool
        .get_extension_by_name("globcrm.common.v1.field")
        .context("the field option globcrm.common.v1.field is not defined")?;
    let behavior = pool
        .get_extension_by_name("google.api.field_behavior")
        .context("the field option google.api.field_behavior is not defined")?;
    let mut changed = BTreeMap::new();
    let requests = pool.services().flat_map(|s| s.methods().map(|m| m.input()).collect::<Vec<_>>());
    for request in requests.filter(|request| request.get_field_by_name("update_mask").is_some()) {
        for field in request.fields().filter(|field| field.name() != "update_mask") {
            if let Kind::Message(message) = field.kind() {
                changed.insert(message.full_name().to_owned(), message);
            }
        }
    }
    let mut text = String::new();
    for (name, message) in &changed {
        text.push_str(&format!(
            "impl crate::Resource for {} {{ const MEMBERS: &'static [crate::Member] = &[",
            rust_path(name)
        ));
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(prost_reflect::FieldDescriptor::number);
        for field in fields {
            let options = field.options();
            let behaviors = options.get_extension(&behavior);
            let output_only =
                behaviors.as_list().is_some_and(|list| list.iter().any(|b| b.as_enum_number() == Some(3)));
            let json = options.get_extension(&policy);
            let json =
                json.as_message().and_then(|m| m.get_field_by_name("json")).and_then(|v| v.as_enum_number());
            text.push_str(&format!(
                "crate::Member {{ number: {}, name: \"{}\", output_only: {output_only}, json_object: {} }},",
                field.number(),
                field.name(),
                json == Some(1),
            ));
        }
        text.push_str("]; }\n");
    }
    let syntax = syn_parse(&text)?;
    Ok(format!("// @generated by `cargo xtask proto`: what is changed by an update mask.\n{syntax}")
        .into_bytes())
}

/// The name of every method and who may call it, by its request.
fn rpcs(pool: &prost_reflect::DescriptorPool) -> Result<Vec<u8>> {
    let policy = pool
        .get_extension_by_name("globcrm.common.v1.method")
        .context("the method option globcrm.common.v1.method is not defined")?;
    let mut text = String::new();
    for service in pool.services() {
        for method in service.methods() {
            let name = format!("{}/{}", service.full_name(), method.name());
            let options = method.options();
            let policy = options.get_extension(&policy);
            let access = access(policy.as_message().context("the option is a message")?)
                .with_context(|| format!("the option globcrm.common.v1.method of {name}"))?;
            text.push_str(&format!(
                "impl crate::Rpc for {} {{ const NAME: &'static str = \"{name}\"; const ACCESS: crate::rpc::Access = {access}; }}\n",
                rust_path(method.input().full_name()),
            ));
        }
    }
    let syntax = syn_parse(&text)?;
    Ok(format!("// @generated by `cargo xtask proto`: what the contract says of methods.\n{syntax}")
        .into_bytes())
}

/// The catalogue of objects, by name. A permission that names no object, or one that is there twice, is refused.
fn objects(pool: &prost_reflect::DescriptorPool) -> Result<Vec<u8>> {
    let option = pool
        .get_extension_by_name("globcrm.common.v1.object")
        .context("the message option globcrm.common.v1.object is not defined")?;
    let mut objects = BTreeMap::new();
    for message in pool.all_messages() {
        let options = message.options();
        if !options.has_extension(&option) {
            continue;
        }
        let value = options.get_extension(&option);
        let value = value.as_message().context("the option is a message")?;
        let field = |name| value.get_field_by_name(name);
        let name = field("name").and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let has_custom = field("has_custom").and_then(|v| v.as_bool()).unwrap_or(false);
        let extra = field("actions").and_then(|v| v.as_list().map(<[_]>::to_vec)).unwrap_or_default();
        let actions: BTreeSet<String> = extra.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect();
        if name.is_empty() || objects.insert(name.clone(), (message.clone(), has_custom, actions)).is_some() {
            bail!("{}: its object has no name or another's ({name})", message.full_name());
        }
    }
    for (method, permission) in permissions(pool)? {
        let (object, action) = permission.split_once('.').context("a permission is <object>.<action>")?;
        let (_, _, actions) = objects
            .get_mut(object)
            .with_context(|| format!("{method} asks for {permission}, and no message is the object"))?;
        actions.insert(action.to_owned());
    }
    let mut text = String::from("/// Every object, by name.\npub const OBJECTS: &[crate::Object] = &[");
    for (name, (message, has_custom, actions)) in objects {
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(prost_reflect::FieldDescriptor::number);
        let fields = fields.iter().map(|field| field.name().to_owned());
        let fields: Vec<_> = fields.chain(message.reserved_names().map(str::to_owned)).collect();
        let actions: Vec<_> = actions.into_iter().collect();
        let package = message.package_name();
        text.push_str(&format!(
            "crate::Object {{ name: {name:?}, package: {package:?}, has_custom: {has_custom}, fields: &{fields:?}, \
             actions: &{actions:?} }},",
        ));
    }
    text.push_str("];");
    let syntax = syn_parse(&text)?;
    Ok(format!("// @generated by `cargo xtask proto`: the catalogue of objects.\n{syntax}").into_bytes())
}

/// Every permission that a method names, by the method.
fn permissions(pool: &prost_reflect::DescriptorPool) -> Result<Vec<(String, String)>> {
    let policy = pool
        .get_extension_by_name("globcrm.common.v1.method")
        .context("the method option globcrm.common.v1.method is not defined")?;
    let mut found = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        let policy = options.get_extension(&policy);
        let policy = policy.as_message().context("the option is a message")?;
        for name in ["permission", "key_permission"] {
            let value = policy.get_field_by_name(name);
            let permission = value.as_ref().and_then(|v| v.as_str()).unwrap_or_default();
            if !permission.is_empty() {
                found.push((method.full_name().to_owned(), permission.to_owned()));
            }
        }
    }
    Ok(found)
}

/// Who may call a method, as Rust. A method says exactly one thing.
fn access(policy: &prost_reflect::DynamicMessage) -> Result<String> {
    let is = |name| policy.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or(false);
    let permission = |name| -> Result<Option<String>> {
        let value = policy.get_field_by_name(name);
        let text = value.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let (object, action) = text.split_once('.').context("a permission is <object>.<action>")?;
        Ok(Some(format!("crate::rpc::Permission {{ object: {object:?}, action: {action:?} }}")))
    };
    let key = permission("key_permission")?;
    match (permission("permission")?, is("own"), is("public"), is("internal")) {
        (Some(permission), false, false, false) => {
            Ok(format!("crate::rpc::Access::Permission({permission})"))
        }
        (None, true, false, false) => {
            let key = key.map_or("None".to_owned(), |key| format!("Some({key})"));
            Ok(format!("crate::rpc::Access::Own {{ key: {key} }}"))
        }
        (None, false, true, _) => Ok("crate::rpc::Access::Public".to_owned()),
        (None, false, false, true) => Ok("crate::rpc::Access::Internal".to_owned()),
        _ => bail!("it needs exactly one of permission, own, public and internal"),
    }
}

/// `globcrm.records.v1.Contact` -> `crate::records::v1::Contact`.
fn rust_path(name: &str) -> String {
    format!("crate::{}", name.trim_start_matches("globcrm.").replace('.', "::"))
}

fn syn_parse(text: &str) -> Result<String> {
    let file = syn::parse_file(text).context("formatting generated code")?;
    Ok(prettyplease::unparse(&file))
}

/// Writes or checks `libs/proto/src/generated`.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = crate::root();
    let dir = root.join("libs/proto/src/generated");
    let files = generate(&root)?;
    std::fs::create_dir_all(&dir)?;
    let mut stale = Vec::new();
    for entry in std::fs::read_dir(&dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if !files.contains_key(&name) {
            stale.push(name.clone());
            if !check {
                std::fs::remove_file(&path)?;
            }
        }
    }
    for (name, content) in &files {
        let path = dir.join(name);
        if std::fs::read(&path).ok().as_ref() != Some(content) {
            stale.push(name.clone());
            if !check {
                std::fs::write(&path, content)?;
            }
        }
    }
    if check && !stale.is_empty() {
        bail!("generated code is not what proto/ says ({}): run `cargo xtask proto`", stale.join(", "));
    }
    println!("libs/proto/src/generated: {} files, {} changed", files.len(), stale.len());
    Ok(())
}
