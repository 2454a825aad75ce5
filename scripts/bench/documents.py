"""The documents under test, shaped as the resource types say."""

import datetime
import json
import random

ARCHITECTURES = ("x86_64", "arm64", "armv7")
CONTAINERS = ("worker", "database", "gateway")
EPOCH = datetime.datetime(2019, 8, 25, 10)


def device(number):
    """A device: about 600 bytes."""
    cores = 1 + number % 16
    return {
        "deviceID": f"dev-{number:08d}", "isLeader": number % 50 == 0,
        "os": "Linux-4.15.0-45-generic-x86_64-with-debian-9.7", "arch": ARCHITECTURES[number % 3],
        "cpuManufacturer": "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", "physicalCores": cores,
        "logicalCores": 2 * cores, "cpuClockSpeed": "1.8000 GHz", "memory": 512.0 + number * 37 % 32768,
        "storage": 1024.0 + number * 7919 % 500000, "agentType": "Fog agent",
        "networkingStandards": "['eth0', 'lo']", "hwloc": "xml info hwloc " + "x" * 64,
        "cpuinfo": "xml info CPU " + "y" * 64,
    }


def metric(number):
    """A container's life: the smallest type, about 150 bytes of its own."""
    start = metric_start(number)
    return {
        "device_id": {"href": f"device/dev-{number % 1000:04d}"}, "container_id": CONTAINERS[number % 3],
        "start_time": stamp(start), "stop_time": stamp(start + datetime.timedelta(seconds=60 + number * 7919 % 3600)),
    }


def metric_start(number):
    """When the container of a metric started: one a second, in scattered order."""
    return EPOCH + datetime.timedelta(seconds=number * 7919 % 1_000_000)


def stamp(moment):
    """A time as CIMI writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def lines(make, numbers):
    """Compact JSON, one document each."""
    return [json.dumps(make(number), separators=(",", ":")) for number in numbers]


def shuffled(items):
    """The items in a random order, the same in every run."""
    items = list(items)
    random.Random(7).shuffle(items)
    return items
