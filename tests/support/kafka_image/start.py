"""The container's only program: KAFKA_NODE_ID=1 becomes node.id=1, the folder is formatted, and this becomes the broker."""

import os
import subprocess
from pathlib import Path

PROPERTIES = Path("/opt/server.properties")
JAVA = "/opt/java/bin/java"
FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CLUSTER_ID = "kafka-in-a-test-0000-A"

settings = {
    name.removeprefix("KAFKA_").lower().replace("_", "."): value
    for name, value in os.environ.items()
    if name.startswith("KAFKA_")
}
settings.setdefault("log.dirs", "/var/lib/kafka")
settings.setdefault("log.cleaner.dedupe.buffer.size", "4194304")
PROPERTIES.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
os.environ["CLASSPATH"] = "/opt/kafka/*"
# A container that is started again has its folder formatted already.
FORMAT = ("format", "--ignore-formatted", f"--cluster-id={CLUSTER_ID}", "--config", str(PROPERTIES))
subprocess.run([JAVA, *FLAGS, "kafka.tools.StorageTool", *FORMAT], check=True)
os.execv(JAVA, [JAVA, *FLAGS, "kafka.Kafka", str(PROPERTIES)])
