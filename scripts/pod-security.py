"""Holds Deployments on standard input against the restricted level of Kubernetes' Pod Security Standards.

The cluster has the last word; this finds what was forgotten without one. lint-deploy.sh calls it.
https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

import sys

import yaml

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def problems(pod):
    """What the level forbids, one sentence each."""
    of_pod = pod.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is set"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']} is of another kind than {sorted(VOLUMES)}"
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        # What a container says goes before what its pod says.
        both = {**of_pod, **own}
        checks = {
            "privileged is set": own.get("privileged"),
            "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot is not true": both.get("runAsNonRoot") is not True,
            "runAsUser is root": both.get("runAsUser") == 0,
            "capabilities do not drop ALL": "ALL" not in capabilities.get("drop", []),
            "capabilities add more than NET_BIND_SERVICE": set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"},
            "seccompProfile is not RuntimeDefault or Localhost": both.get("seccompProfile", {}).get("type")
            not in ("RuntimeDefault", "Localhost"),
            "a hostPort is set": any(port.get("hostPort") for port in container.get("ports", [])),
        }
        for sentence, is_so in checks.items():
            if is_so:
                yield f"container {container['name']}: {sentence}"


deployments = [item for item in yaml.safe_load_all(sys.stdin) if item and item["kind"] == "Deployment"]
if not deployments:
    sys.exit("no Deployment on standard input")
found = [problem for item in deployments for problem in problems(item["spec"]["template"]["spec"])]
for problem in found:
    print(f"ERROR - not at the restricted level: {problem}")
if found:
    sys.exit(1)
print("INFO - at the restricted level of the Pod Security Standards")
