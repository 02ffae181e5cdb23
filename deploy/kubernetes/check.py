"""The checks of deploy/kubernetes/check. Prints every fault that it finds, and exits with 1 if there is one."""

import sys
from pathlib import Path

import kubernetes_validate
import yaml

# The oldest version that knows all the fields used here, and the newest that the package knows.
VERSIONS = ["1.31", "1.37"]
EXAMPLE = "secrets.yaml.example"

faults = []


def expect(holds, where, what):
    if not holds:
        faults.append(f"{where}: {what}")


class Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would silently take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def documents(path):
    return [document for document in yaml.load_all(path.read_text(), Loader) if document is not None]


def name(document):
    return f"{document['kind']} {document['metadata']['name']}"


def check_schema(path, document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            faults.append(f"{path.name}: {name(document)}: Kubernetes {version} does not know this kind")
        except kubernetes_validate.ValidationError as error:
            at = ".".join(str(step) for step in error.path) or "top"
            faults.append(f"{path.name}: {name(document)}: Kubernetes {version}: at {at}: {error.message}")


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def check_restricted(where, pod):
    """The Pod Security Standard `restricted`, as far as these manifests touch it, and a root that cannot be written."""
    context = pod.get("securityContext", {})
    expect(context.get("runAsNonRoot") is True, where, "runAsNonRoot is not true")
    expect(context.get("seccompProfile", {}).get("type") == "RuntimeDefault", where, "no seccomp profile")
    expect(pod.get("automountServiceAccountToken") is False, where, "gets a token for the API server")
    for container in containers(pod):
        at, own = f"{where}, container {container['name']}", container.get("securityContext", {})
        expect(own.get("allowPrivilegeEscalation") is False, at, "allowPrivilegeEscalation is not false")
        expect(own.get("readOnlyRootFilesystem") is True, at, "readOnlyRootFilesystem is not true")
        expect(own.get("capabilities") == {"drop": ["ALL"]}, at, "does not drop all capabilities")
        expect("memory" in container.get("resources", {}).get("limits", {}), at, "has no memory limit")


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def check_pod(where, template, secrets, accounts):
    pod, labels = template["spec"], template["metadata"]["labels"]
    expect(pod.get("serviceAccountName") in accounts, where, "its service account is not there")
    check_restricted(where, pod)
    for constraint in pod.get("topologySpreadConstraints", []):
        expect(selects(constraint["labelSelector"]["matchLabels"], labels), where, "spreads other pods than its own")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    used = set()
    for container in containers(pod):
        at, ports = f"{where}, container {container['name']}", {port["name"] for port in container.get("ports", [])}
        said = [value for env in container.get("env", []) if (value := env.get("value"))] + container.get("command", [])
        for mount in container.get("volumeMounts", []):
            used.add(mount["name"])
            expect(mount["name"] in volumes, at, f"mounts {mount['name']}, which is not there")
            secret = volumes.get(mount["name"], {}).get("secret")
            if secret is None:
                continue
            keys = secrets.get(secret["secretName"])
            expect(keys is not None, at, f"takes Secret {secret['secretName']}, of which {EXAMPLE} does not know")
            folder = mount["mountPath"] + "/"
            files = [text.removeprefix(folder) for text in said if text.startswith(folder)]
            expect(files, at, f"mounts {mount['name']} and names no file of it")
            for file in files:
                expect(file in (keys or {}), at, f"reads {file}, which Secret {secret['secretName']} does not have")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                expect(container[probe]["httpGet"]["port"] in ports, at, f"{probe} asks a port that is not there")
    for volume in volumes.keys() - used:
        faults.append(f"{where}: nobody mounts {volume}")


def main(directory):
    kustomization = documents(directory / "kustomization.yaml")[0]
    listed = set(kustomization["resources"])
    found = {path.name for path in directory.glob("*.y*ml")} - {"kustomization.yaml"}
    expect(listed == found, "kustomization.yaml", f"its list and the files differ: {sorted(listed ^ found)}")

    manifests = [(directory / file, document) for file in sorted(found) for document in documents(directory / file)]
    examples = [(directory / EXAMPLE, document) for document in documents(directory / EXAMPLE)]
    for path, document in manifests + examples:
        check_schema(path, document)
    if faults:
        return 0

    every = [document for _, document in manifests]

    def of(kind):
        return [document for document in every if document["kind"] == kind]

    expect(not of("Secret"), "kustomization.yaml", "applies a Secret, which would be a placeholder")
    secrets = {document["metadata"]["name"]: document["stringData"] for _, document in examples}
    accounts = {document["metadata"]["name"] for document in of("ServiceAccount")}
    namespaces = [namespace["metadata"]["name"] for namespace in of("Namespace")]
    expect(namespaces == [kustomization["namespace"]], "namespace.yaml", "is not the one of kustomization.yaml")

    workloads = of("Deployment") + of("Job")
    templates = [workload["spec"]["template"] for workload in workloads]
    images = {image["name"] for image in kustomization["images"]}
    for workload, template in zip(workloads, templates):
        check_pod(name(workload), template, secrets, accounts)
        for container in containers(template["spec"]):
            expect(container["image"] in images, name(workload), f"image {container['image']} is given no version")
    for deployment in of("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        expect(selects(deployment["spec"]["selector"]["matchLabels"], labels), name(deployment), "selects other pods")

    def ports(chosen):
        """The names of each pod's ports."""
        every_container = [pod["spec"]["containers"] for pod in chosen]
        return [{port["name"] for one in many for port in one.get("ports", [])} for many in every_container]

    for service in of("Service"):
        chosen = [pod for pod in templates if selects(service["spec"]["selector"], pod["metadata"]["labels"])]
        expect(chosen, name(service), "selects no pod")
        for port in service["spec"]["ports"]:
            expect(all(port["targetPort"] in has for has in ports(chosen)), name(service), f"no port {port['targetPort']}")
        expect(len(service["spec"]["ports"]) == 1, name(service), "the two listeners are not kept apart")
    for budget in of("PodDisruptionBudget"):
        selector = budget["spec"]["selector"]["matchLabels"]
        chosen = [pod for pod in templates if selects(selector, pod["metadata"]["labels"])]
        expect(len(chosen) == 1, name(budget), "does not select the replicas alone")
    for template in templates:
        labels = template["metadata"]["labels"]
        policies = of("NetworkPolicy")
        guards = [policy for policy in policies if selects(policy["spec"]["podSelector"]["matchLabels"], labels)]
        expect(guards, f"pods with {labels}", "no NetworkPolicy keeps others from them")
        for policy in guards:
            expect(set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}, name(policy), "leaves a direction open")
            known = set().union(*ports(templates))
            for rule in policy["spec"]["ingress"]:
                expect(rule.get("from") and rule.get("ports"), name(policy), "lets everybody in")
                for port in rule.get("ports", []):
                    expect(port["port"] in known, name(policy), f"no port {port['port']}")
    return len(every)


count = main(Path(sys.argv[1]))
for fault in faults:
    print(fault, file=sys.stderr)
if faults:
    sys.exit(1)
print(f"{count} manifests fit the schemas of Kubernetes {' and '.join(VERSIONS)}, and each other")
