//! A volume for uploads, on clusters that make none.

use super::kubernetes::{Namespace, apply, kubectl};

/// Makes one on the only node, where there is no storage class.
pub fn provide(namespace: &Namespace) {
    if !kubectl(&["get", "storageclasses", "--output", "name"]).trim().is_empty() {
        return;
    }
    let name = namespace.name();
    let path = format!("/tmp/{name}-uploads");
    // The directory of a hostPath is root's: a pod outside of the restricted namespace opens it.
    let image = std::env::var("GLOBCRM_TEST_POSTGRESQL_IMAGE").unwrap_or_else(|_| "postgres:15".to_owned());
    let manifest = format!(
        r#"
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}-uploads}}
spec:
  capacity: {{storage: 20Gi}}
  accessModes: [ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {{namespace: {name}, name: crm-globcrm-blobs}}
  hostPath: {{path: {path}, type: DirectoryOrCreate}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}-uploads, namespace: default}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers:
    - name: open
      image: {image}
      imagePullPolicy: IfNotPresent
      command: [chmod, "0777", /uploads]
      volumeMounts: [{{name: uploads, mountPath: /uploads}}]
  volumes: [{{name: uploads, hostPath: {{path: {path}, type: DirectoryOrCreate}}}}]
"#
    );
    let pod = format!("pod/{name}-uploads");
    kubectl(&["delete", "persistentvolume", &format!("{name}-uploads"), "--ignore-not-found", "--wait"]);
    kubectl(&["--namespace", "default", "delete", &pod, "--ignore-not-found", "--wait"]);
    apply(&["create"], &manifest);
    kubectl(&[
        "--namespace",
        "default",
        "wait",
        &pod,
        "--for",
        "jsonpath={.status.phase}=Succeeded",
        "--timeout",
        "60s",
    ]);
    kubectl(&["--namespace", "default", "delete", &pod, "--wait"]);
}
