"""The peer for changes from child to leader without a sync: NATS JetStream, a leaf node to its hub over mutual TLS."""

import asyncio
import contextlib
import json
import os
import sys
import time

import certificates
import documents
import place

COUNT = 20_000


def _library():
    """nats-py lives in the environment that `scripts/bench.sh` has made."""
    site = os.environ.get("BENCH_SITE")
    if site and site not in sys.path:
        sys.path.insert(0, site)
    import nats  # pylint: disable=import-outside-toplevel
    return nats


@contextlib.contextmanager
def _pair():
    folder = place.directory("nats")
    keys = certificates.make(folder)
    hub, leaf, link = place.free_port(), place.free_port(), place.free_port()
    tls = 'tls {{ cert_file: "{0}/{1}.crt", key_file: "{0}/{1}.key", ca_file: "{0}/ca.crt"{2} }}'
    (folder / "L.conf").write_text(
        f'listen: 127.0.0.1:{hub}\nserver_name: leader\njetstream {{ store_dir: "{folder}/L", domain: leader }}\n'
        f'leafnodes {{ listen: 127.0.0.1:{link}, {tls.format(keys, "server", ", verify: true")} }}\n')
    (folder / "C.conf").write_text(
        f'listen: 127.0.0.1:{leaf}\nserver_name: child\njetstream {{ store_dir: "{folder}/C", domain: child }}\n'
        f'leafnodes {{ remotes: [ {{ url: "tls://127.0.0.1:{link}", {tls.format(keys, "client", "")} }} ] }}\n')
    leader = place.Child(["nats-server", "-c", folder / "L.conf"], folder / "L.log")
    leader.wait_until(lambda: certificates.listens(hub), "the hub")
    child = place.Child(["nats-server", "-c", folder / "C.conf"], folder / "C.log")
    child.wait_until(lambda: certificates.listens(leaf), "the leaf")
    try:
        yield hub, leaf
    finally:
        child.stop()
        leader.stop()
        place.remove(folder)


async def _streams(nats, hub, leaf):
    from nats.js.api import ExternalStream, StorageType, StreamConfig, StreamSource
    above, below = await nats.connect(f"nats://127.0.0.1:{hub}"), await nats.connect(f"nats://127.0.0.1:{leaf}")
    upper, lower = above.jetstream(domain="leader"), below.jetstream(domain="child")
    source = StreamSource(name="DEV", external=ExternalStream(api="$JS.child.API"))
    for _ in range(100):
        try:
            await lower.add_stream(StreamConfig(name="DEV", subjects=["d.*"], storage=StorageType.FILE))
            await upper.add_stream(StreamConfig(name="AGG", storage=StorageType.FILE, sources=[source]))
            break
        except Exception:  # the leaf node has not connected yet
            await asyncio.sleep(0.1)
    await lower.publish("d.first", b"x")
    for _ in range(200):
        if (await upper.stream_info("AGG")).state.messages:
            return above, below, upper, lower
        await asyncio.sleep(0.05)
    raise place.Failure("the hub of NATS does not get what its leaf publishes")


def latency(count):
    """Milliseconds from the acknowledgement at the leaf until a subscriber at the hub has it, one after the other."""
    nats = _library()

    async def measure(hub, leaf):
        above, below, upper, lower = await _streams(nats, hub, leaf)
        heard = asyncio.Queue()

        async def note(message):
            heard.put_nowait((message.subject, time.perf_counter()))

        await upper.subscribe("d.*", stream="AGG", cb=note, ordered_consumer=True)
        await asyncio.wait_for(heard.get(), place.PATIENCE)
        taken = []
        for number in range(count):
            body = documents.lines(documents.device, [number])[0].encode()
            await lower.publish(f"d.{number}", body)
            began = time.perf_counter()
            _, came = await asyncio.wait_for(heard.get(), place.PATIENCE)
            taken.append(max(0.0, came - began) * 1000)
        await below.close()
        await above.close()
        return taken

    with _pair() as ports:
        return asyncio.run(measure(*ports))


def rate():
    """Messages a second from leaf to hub, as fast as this client publishes."""
    nats = _library()

    async def measure(hub, leaf):
        above, below, upper, lower = await _streams(nats, hub, leaf)
        body = json.dumps(documents.device(7)).encode()
        before = (await upper.stream_info("AGG")).state.messages
        began = time.perf_counter()
        for first in range(0, COUNT, 500):
            await asyncio.gather(*[lower.publish(f"d.{number}", body) for number in range(first, first + 500)])
        while (await upper.stream_info("AGG")).state.messages < before + COUNT:
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        await below.close()
        await above.close()
        return COUNT / took

    with _pair() as ports:
        return asyncio.run(measure(*ports))
