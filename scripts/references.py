"""Holds manifests for Kubernetes on standard input against one another: what one of them names, another one has.

Schemas know one resource at a time, so they find none of this. lint-deploy.sh calls it.
"""

import sys
from urllib.parse import parse_qs, urlsplit

import yaml


def all_of(items, kind):
    return [item for item in items if item["kind"] == kind]


def is_selected(selector, labels):
    """Whether a selector says something, and all that it says is in the labels."""
    wanted = (selector or {}).get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


def ports_of(rules):
    """The ports that rules allow; None stands for all of them."""
    return {port.get("port") for rule in rules for port in rule.get("ports") or [{}]}


def settings(container):
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def of_deployment(deployment, claims):
    """What a Deployment says about itself, one sentence for each contradiction."""
    pod = deployment["spec"]["template"]["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    mounts = [mount for container in pod["containers"] for mount in container.get("volumeMounts", [])]
    if {mount["name"] for mount in mounts} != volumes.keys():
        yield f"not the same volumes are there and are mounted: {sorted(volumes)}"
    for name, volume in volumes.items():
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in claims:
            yield f"volume {name}: there is no claim {claim}"
        secret = volume.get("secret")
        if secret and (secret.get("defaultMode", 0o644) & 0o337 or "fsGroup" not in pod.get("securityContext", {})):
            yield f"volume {name}: a secret is for owner and group to read, with a fsGroup"
        if secret and not all(mount.get("readOnly") for mount in mounts if mount["name"] == name):
            yield f"volume {name}: a secret is mounted to be written to"
    for constraint in pod.get("topologySpreadConstraints", []):
        if not is_selected(constraint.get("labelSelector"), labels):
            yield f"pods are spread by {constraint['topologyKey']}, but not these"
    if not is_selected(deployment["spec"]["selector"], labels):
        yield "its selector is not for its own pods"

    env = settings(pod["containers"][0])
    url = urlsplit(env["DATABASE_URL"])
    files = [value for name, value in env.items() if name.endswith("_FILE")] + parse_qs(url.query).get("sslrootcert", [])
    for file in files:
        if not any(file.startswith(mount["mountPath"].rstrip("/") + "/") for mount in mounts):
            yield f"{file} is on no volume"
    if url.password:
        yield "DATABASE_URL has the password in it"
    if url.scheme.startswith("postgres") and "sslmode" not in parse_qs(url.query):
        yield "DATABASE_URL does not say whether there is TLS"
    if (url.scheme == "redb") == (deployment["spec"]["strategy"]["type"] != "Recreate"):
        yield "a file has one server at a time (Recreate), a database any number (RollingUpdate)"
    if (url.scheme == "redb") != bool(claims):
        yield "a claim is there without a file of todos, or the other way about"


def problems(items):
    """All contradictions, one sentence each."""
    (deployment,) = all_of(items, "Deployment")
    name = deployment["metadata"]["name"]
    template = deployment["spec"]["template"]
    container = template["spec"]["containers"][0]
    yield from of_deployment(deployment, {claim["metadata"]["name"] for claim in all_of(items, "PersistentVolumeClaim")})

    for service in all_of(items, "Service"):
        if not service["spec"]["selector"].items() <= template["metadata"]["labels"].items():
            yield f"Service {service['metadata']['name']} does not select the pods"
        named = {port["name"] for port in container["ports"]}
        if not {port["targetPort"] for port in service["spec"]["ports"]} <= named:
            yield f"Service {service['metadata']['name']} leads to a port that is not one of {sorted(named)}"
    for budget in all_of(items, "PodDisruptionBudget"):
        if not is_selected(budget["spec"]["selector"], template["metadata"]["labels"]):
            yield f"PodDisruptionBudget {budget['metadata']['name']} is not for the pods"
    for scaler in all_of(items, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) != ("Deployment", name):
            yield f"HorizontalPodAutoscaler {scaler['metadata']['name']} is for {target['kind']} {target['name']}"
        if "replicas" in deployment["spec"]:
            yield f"Deployment {name} has a number of replicas, and a HorizontalPodAutoscaler that says it"
    for policy in all_of(items, "NetworkPolicy"):
        spec = policy["spec"]
        if not is_selected(spec["podSelector"], template["metadata"]["labels"]):
            yield f"NetworkPolicy {policy['metadata']['name']} is not for the pods"
        if set(spec["policyTypes"]) != {"Ingress", "Egress"}:
            yield f"NetworkPolicy {policy['metadata']['name']} leaves one direction open"
        if ports_of(spec["ingress"]) != {port["containerPort"] for port in container["ports"]}:
            yield f"NetworkPolicy {policy['metadata']['name']} lets in to other ports than the container's"
        hosts = urlsplit(settings(container)["DATABASE_URL"]).netloc.rpartition("@")[2].split(",")
        if ports_of(spec["egress"]) != {53} | {int((host.rsplit(":", 1) + ["5432"])[1]) for host in hosts}:
            yield f"NetworkPolicy {policy['metadata']['name']} lets out to other ports than names and database need"
    of_namespaces = [item for item in items if item["kind"] not in ("Namespace", "RuntimeClass")]
    if len({item["metadata"].get("namespace") for item in of_namespaces}) != 1:
        yield "not all are in the same namespace"


found = list(problems([item for item in yaml.safe_load_all(sys.stdin) if item]))
for problem in found:
    print(f"ERROR - {problem}")
if found:
    sys.exit(1)
print("INFO - what the resources name is there")
