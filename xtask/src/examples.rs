//! Manifests that are as they should be, and how tests break them.

use serde_json::{Map, Value};

use crate::manifests::parse;

/// Todos in a file.
pub const FILE: &str = "
apiVersion: v1
kind: Service
metadata:
  name: todo
spec:
  ports:
  - { name: http, port: 80, targetPort: http }
  selector: { app: todo }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: todo
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: todo
spec:
  replicas: 1
  selector:
    matchLabels: { app: todo }
  strategy: { type: Recreate }
  template:
    metadata:
      labels: { app: todo }
    spec:
      containers:
      - name: todo
        env:
        - { name: DATABASE_URL, value: redb:///data/todos.redb }
        ports:
        - { name: http, containerPort: 8080 }
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: { drop: [ALL] }
        volumeMounts:
        - { name: data, mountPath: /data }
      securityContext:
        fsGroup: 65534
        runAsNonRoot: true
        runAsUser: 65534
        seccompProfile: { type: RuntimeDefault }
      volumes:
      - name: data
        persistentVolumeClaim: { claimName: todo }
";

/// Todos in PostgreSQL.
pub const DATABASE: &str = "
apiVersion: v1
kind: Namespace
metadata:
  name: todo
---
apiVersion: v1
kind: Service
metadata:
  name: todo
  namespace: todo
spec:
  ports:
  - { name: http, port: 80, targetPort: http }
  selector: { app: todo }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: todo
  namespace: todo
spec:
  selector:
    matchLabels: { app: todo }
  strategy: { type: RollingUpdate }
  template:
    metadata:
      labels: { app: todo, tier: server }
    spec:
      containers:
      - name: todo
        env:
        - { name: DATABASE_URL, value: 'postgres://todo@db/todo?sslmode=verify-full&sslrootcert=/etc/todo/ca' }
        - { name: DATABASE_PASSWORD_FILE, value: /etc/todo/password }
        ports:
        - { name: http, containerPort: 8080 }
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: { add: [NET_BIND_SERVICE], drop: [ALL] }
        volumeMounts:
        - { name: database, mountPath: /etc/todo, readOnly: true }
      securityContext:
        fsGroup: 65534
        runAsNonRoot: true
        runAsUser: 65534
        seccompProfile: { type: RuntimeDefault }
      topologySpreadConstraints:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: { app: todo }
      volumes:
      - name: database
        secret: { defaultMode: 0440, secretName: todo-database }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: todo
  namespace: todo
spec:
  selector:
    matchLabels: { app: todo }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: todo
  namespace: todo
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: todo }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: todo
  namespace: todo
spec:
  egress:
  - ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
  - ports: [{ port: 5432 }]
  ingress:
  - ports: [{ port: 8080 }]
  podSelector:
    matchLabels: { app: todo }
  policyTypes: [Ingress, Egress]
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: wasmedge
";

/// The resources of an example, once a field of the one of a kind says something else. The pointer (RFC 6901) may name
/// fields that are not there yet; null is as good as no field.
pub fn changed(example: &str, kind: &str, pointer: &str, value: Value) -> Vec<Value> {
    let mut items = parse(example).unwrap();
    let mut field = items.iter_mut().find(|item| item["kind"] == kind).unwrap();
    for name in pointer.split('/').skip(1) {
        if field.is_null() {
            *field = Value::Object(Map::new());
        }
        field = match name.parse::<usize>() {
            Ok(index) => &mut field[index],
            Err(_) => &mut field[name],
        };
    }
    assert_ne!(*field, value, "{kind} {pointer} said so already");
    *field = value;
    items
}
