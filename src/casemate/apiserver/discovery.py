"""What this API serves, told to clients, in the legacy and in the aggregated form; pure.

Source: meta/v1 APIGroupList, APIResourceList; apidiscovery.k8s.io/v2; Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from casemate.apiserver.resource import Resource, Subresource, Tree

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ASKED = {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}


def wants_aggregated(accept: str) -> bool:
    """Whether the client takes all groups with their resources in one answer.

    Clients list it first and the legacy form as the last resort.
    """
    for offer in accept.split(","):
        media, *parameters = [word.strip() for word in offer.split(";")]
        if media == "application/json" and set(parameters) >= _ASKED:
            return True
    return False


def group_versions(resources: Iterable[Resource]) -> dict[tuple[str, str], list[Resource]]:
    """Return the resources by (group, version), both sorted; the core group is first."""
    found: dict[tuple[str, str], list[Resource]] = {}
    for resource in sorted(resources, key=lambda one: (one.group, one.version, one.plural)):
        found.setdefault((resource.group, resource.version), []).append(resource)
    return found


def api_versions(address: str) -> Tree:
    """Return the versions of the core group; `address` is where the caller reached the server."""
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def group_list(groups: Sequence[tuple[str, str]]) -> Tree:
    """Return every named group."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(*one) for one in groups if one[0]],
    }


def group_document(group: str, version: str) -> Tree:
    """Return one group."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group, version)


def resource_list(group: str, version: str, resources: Iterable[Resource]) -> Tree:
    """Return the resources of one group and version, subresources among them."""
    listed = []
    for resource in resources:
        doors = [resource.subresources[name] for name in sorted(resource.subresources)]
        listed += [_resource(resource), *(_subresource(resource, door) for door in doors)]
    head: Tree = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return head | {"groupVersion": f"{group}/{version}" if group else version, "resources": listed}


def aggregated(groups: Iterable[tuple[tuple[str, str], Sequence[Resource]]]) -> Tree:
    """Return these groups with all of their resources."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group, "creationTimestamp": None},
                "versions": [
                    {
                        "version": version,
                        "resources": [_discovered(one) for one in resources],
                        "freshness": "Current",
                    }
                ],
            }
            for (group, version), resources in groups
        ],
    }


def _group(group: str, version: str) -> Tree:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _resource(resource: Resource) -> Tree:
    shape: Tree = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    return shape | _names(resource)


def _names(resource: Resource) -> Tree:
    shape: Tree = {}
    if resource.short_names:
        shape["shortNames"] = list(resource.short_names)
    if resource.categories:
        shape["categories"] = list(resource.categories)
    return shape


def _subresource(resource: Resource, subresource: Subresource) -> Tree:
    shape: Tree = {
        "name": f"{resource.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": sorted(subresource.verbs),
    }
    if (subresource.group, subresource.version) != (resource.group, resource.version):
        shape |= {"group": subresource.group, "version": subresource.version}
    return shape


def _discovered(resource: Resource) -> Tree:
    shape: Tree = {
        "resource": resource.plural,
        "responseKind": _kind(resource, resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
    } | _names(resource)
    if resource.subresources:
        shape["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(resource, resource.subresources[name]),
                "verbs": sorted(resource.subresources[name].verbs),
            }
            for name in sorted(resource.subresources)
        ]
    return shape


def _kind(resource: Resource, of: Resource | Subresource) -> Tree:
    group, version = of.group, of.version
    if resource.model is None and (group, version) == (resource.group, resource.version):
        # Of a built-in kind Kubernetes says only what differs from the place where it stands.
        group, version = "", ""
    return {"group": group, "version": version, "kind": of.kind}
