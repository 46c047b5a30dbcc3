"""Manifests as tools write them, whitespace included."""

from core.digest import Digest
from core.manifest import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
)

__all__ = ["ARTIFACT", "DOCKER", "DOCKER_LIST", "EXAMPLES", "IMAGE", "INDEX", "A", "B", "C"]

A = str(Digest.of(b"a"))
B = str(Digest.of(b"b"))
C = str(Digest.of(b"c"))

IMAGE = f"""{{
  "schemaVersion": 2,
  "mediaType": "{OCI_MANIFEST}",
  "config": {{
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "{A}",
    "size": 7023
  }},
  "layers": [
    {{
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "{B}",
      "size": 32654
    }}
  ],
  "subject": {{"mediaType": "{OCI_MANIFEST}", "digest": "{C}", "size": 7682}},
  "annotations": {{"com.example.key1": "value1", "é": "ü\\u00fc"}}
}}
""".encode()

INDEX = f"""{{
   "schemaVersion": 2,
   "mediaType": "{OCI_INDEX}",
   "manifests": [
      {{
         "mediaType": "{OCI_MANIFEST}",
         "digest": "{A}",
         "size": 7143,
         "platform": {{"architecture": "ppc64le", "os": "linux"}}
      }},
      {{
         "mediaType": "{OCI_INDEX}",
         "digest": "{B}",
         "size": 7682,
         "platform": {{
            "architecture": "amd64",
            "os": "windows",
            "os.version": "10.0.14393.1066",
            "os.features": ["win32k"],
            "features": ["sse4"]
         }}
      }}
   ],
   "annotations": {{"com.example.key1": "value1"}}
}}""".encode()

DOCKER = f"""{{
   "schemaVersion": 2,
   "mediaType": "{DOCKER_MANIFEST}",
   "config": {{
      "mediaType": "application/vnd.docker.container.image.v1+json",
      "size": 7023,
      "digest": "{A}"
   }},
   "layers": [
      {{
         "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
         "size": 32654,
         "digest": "{B}"
      }},
      {{
         "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
         "size": 16724,
         "digest": "{C}",
         "urls": ["https://example.com/layer.tar.gz"]
      }}
   ]
}}""".encode()

DOCKER_LIST = f"""{{
  "schemaVersion": 2,
  "mediaType": "{DOCKER_MANIFEST_LIST}",
  "manifests": [
    {{
      "mediaType": "{DOCKER_MANIFEST}",
      "digest": "{A}",
      "size": 7143,
      "platform": {{"architecture": "arm", "os": "linux", "variant": "v7"}}
    }}
  ]
}}""".encode()

ARTIFACT = f"""{{
  "mediaType": "{OCI_ARTIFACT}",
  "artifactType": "application/vnd.example.sbom",
  "blobs": [{{"mediaType": "application/json", "digest": "{A}", "size": 1}}],
  "subject": {{"mediaType": "{OCI_MANIFEST}", "digest": "{C}", "size": 7682}},
  "annotations": {{"org.example.sbom.format": "json"}}
}}""".encode()

EXAMPLES = {
    OCI_MANIFEST: IMAGE,
    OCI_INDEX: INDEX,
    DOCKER_MANIFEST: DOCKER,
    DOCKER_MANIFEST_LIST: DOCKER_LIST,
    OCI_ARTIFACT: ARTIFACT,
}
