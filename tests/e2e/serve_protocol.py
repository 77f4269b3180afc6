#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
`dmamap serve` and a client that sends its messages by hand: every message, and every wrong one. Usage:
serve_protocol.py PATH-OF-DMAMAP.
"""

import errno
import mmap
import os
import select
import signal

import struct
import subprocess
import sys
import tempfile
import time

import vfio_user as v

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

DMAMAP = os.path.abspath(sys.argv[1])
# AddressSanitizer keeps freed memory; it searches for leaks itself.
with open(DMAMAP, 'rb') as program:
    SANITIZED = b'__asan_init' in program.read()
PAGE = 4096
MASTER = 6  # bus master and memory in the command register


class Server:
    def __init__(self, *specs, options=('--check',)):
        self.dir = tempfile.TemporaryDirectory(prefix='dmamap-serve-')
        self.paths = [f'{self.dir.name}/{i}.sock' for i in range(len(specs))]
        self.log = open(f'{self.dir.name}/log', 'w+')
        words = [word for spec, path in zip(specs, self.paths) for word in (spec, '--socket', path)]
        self.process = subprocess.Popen([DMAMAP, 'serve', *words, *options], stdout=subprocess.PIPE, stderr=self.log,
                                        text=True)
        for _ in specs:
            assert 'serves' in self.process.stdout.readline(), self.text()

    def text(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def says(self, text):
        for _ in range(200):
            if text in self.text():
                return
            time.sleep(0.05)
        raise AssertionError(f'the server did not report {text!r}: {self.text()}')

    def fds(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        self.dir.cleanup()
        assert status == 0, f'status {status}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def refused(number, call, *args, **more):
    try:
        call(*args, **more)
    except v.Refused as e:
        assert e.errno == number, f'{os.strerror(e.errno)}, not {os.strerror(number)}: {args}'
        return
    raise AssertionError(f'not refused: {args} {more}')


def closed(client):
    try:
        while True:
            client.receive()
    except v.Closed:
        client.close()
        return
    except TimeoutError:
        raise AssertionError('the connection is open') from None


def memory(size):
    fd = os.memfd_create('guest')
    os.ftruncate(fd, size)
    return fd, mmap.mmap(fd, size)


def master(c):
    c.put(v.CONFIG, 4, 2, MASTER)


def edu_start(c, src, dst, n, to_memory):
    c.put(0, 0x80, 8, src)
    c.put(0, 0x88, 8, dst)
    c.put(0, 0x90, 8, n)
    c.put(0, 0x98, 8, 3 if to_memory else 1)


def edu_wait(c):
    for _ in range(1000000):
        if not c.get(0, 0x98, 8) & 1:
            return
    raise AssertionError('the transfer does not end')


def edu_dma(c, src, dst, n, to_memory):
    edu_start(c, src, dst, n, to_memory)
    edu_wait(c)


def works(c):
    assert c.get(0, 0, 4) == 0x010000ed


def information(s):
    with v.Client(s.paths[0]) as c:
        assert c.version == (0, 1)
        assert b'"max_msg_fds"' in c.json and c.json[-1] == 0
        assert b'twin' not in c.json
        assert struct.unpack('<IIII', c.ask(v.DEVICE_INFO, struct.pack('<IIII', 64, 0, 0, 0))) == (16, 3, 9, 3)
        assert c.region(0) == (32, 3, 0, 0, 1 << 20, 0)
        assert c.region(1) == (32, 0, 1, 0, 0, 0)
        assert c.region(v.CONFIG) == (32, 3, v.CONFIG, 0, 256, 0)
        assert c.irq(v.INTX) == (16, 7, 0, 1)
        assert c.irq(v.MSI) == (16, 1, 1, 1)
        assert c.irq(v.MSIX) == (16, 0, 2, 0)
        refused(errno.EINVAL, c.region, 9)
        refused(errno.EINVAL, c.region, 0xffffffff)
        refused(errno.EINVAL, c.irq, 3)
        refused(errno.EINVAL, c.irq, 0xffffffff)
        refused(errno.EINVAL, c.ask, v.DEVICE_INFO, struct.pack('<IIII', 15, 0, 0, 0))
        refused(errno.EINVAL, c.ask, v.REGION_INFO, struct.pack('<IIIIQQ', 31, 0, 0, 0, 0, 0))
        refused(errno.EINVAL, c.ask, v.IRQ_INFO, struct.pack('<IIII', 0, 0, 0, 0))
        assert c.ask(v.REGION_IO_FDS, struct.pack('<IIII', 16, 0, 0, 0)) == struct.pack('<IIII', 16, 0, 0, 0)
        refused(errno.EINVAL, c.ask, v.REGION_IO_FDS, struct.pack('<IIII', 16, 0, 9, 0))


def short_payloads(s):
    with v.Client(s.paths[0]) as c:
        for command, size in ((v.DMA_MAP, 32), (v.DMA_UNMAP, 24), (v.DEVICE_INFO, 16), (v.REGION_INFO, 32),
                              (v.REGION_IO_FDS, 16), (v.IRQ_INFO, 16), (v.SET_IRQS, 20), (v.REGION_READ, 16),
                              (v.REGION_WRITE, 16), (v.WRITE_MULTI, 8)):
            for n in (0, 1, size - 1):
                refused(errno.EINVAL, c.ask, command, bytes(n))
        works(c)


def unknown_commands(s):
    with v.Client(s.paths[0]) as c:
        for command in (0, v.DMA_READ, v.DMA_WRITE, 14, v.FEATURE, 17, 18, 19, 255, 65535):
            refused(errno.EOPNOTSUPP, c.ask, command, bytes(64))
        refused(errno.EINVAL, c.ask, v.VERSION, struct.pack('<HH', 0, 1) + v.JSON)
        c.send(v.DEVICE_INFO, b'', flags=v.REPLY)  # a reply that nobody waits for
        works(c)


def versions(s):
    with v.Client(s.paths[0], json=b'', version=(0, 0)) as c:
        assert c.version == (0, 0)
        works(c)
    with v.Client(s.paths[0], version=(0, 7)) as c:
        assert c.version == (0, 1)
    for payload in (struct.pack('<HH', 1, 0), struct.pack('<HH', 0, 1) + b'{', b'', b'\0' * 3,
                    struct.pack('<HH', 0, 1) + b'{"capabilities":{"max_msg_fds":-1}}\0', bytes(5000)):
        c = v.Client(s.paths[0], json=None)
        try:
            c.ask(v.VERSION, payload)
            raise AssertionError(f'accepted: {payload}')
        except v.Refused:
            closed(c)
    c = v.Client(s.paths[0], json=None)
    refused(errno.EINVAL, c.ask, v.DEVICE_INFO, struct.pack('<IIII', 16, 0, 0, 0))
    closed(c)
    s.says("the server has 0.1")
    s.says('first message is not its version')


def framing(s):
    for size in (0, 15, (1 << 20) + 1000, 0xffffffff):
        c = v.Client(s.paths[0])
        c.send(v.REGION_READ, bytes(16), size=size)
        closed(c)
    for cut in range(1, 32, 5):
        c = v.Client(s.paths[0])
        c.sock.sendall((struct.pack('<HHIII', 1, v.REGION_READ, 32, 0, 0) + bytes(16))[:cut])
        c.close()
    c = v.Client(s.paths[0])
    c.send(v.REGION_READ, bytes(16), flags=2)  # neither a request nor a reply
    closed(c)
    with v.Client(s.paths[0]) as c:
        works(c)


def descriptors(s):
    before = s.fds()
    with open('/dev/null', 'rb') as f:
        c = v.Client(s.paths[0])
        c.send(v.DEVICE_INFO, struct.pack('<IIII', 16, 0, 0, 0), [f.fileno()] * 17)
        closed(c)
        c = v.Client(s.paths[0])
        c.send(v.DEVICE_INFO, struct.pack('<IIII', 16, 0, 0, 0), [f.fileno()] * 200)
        closed(c)
        with v.Client(s.paths[0]) as c:
            refused(errno.EINVAL, c.ask, v.DEVICE_INFO, struct.pack('<IIII', 16, 0, 0, 0), [f.fileno()] * 16)
            refused(errno.EINVAL, c.ask, v.DMA_MAP, struct.pack('<IIQQQ', 32, 3, 0, 0, PAGE), [f.fileno()] * 2)
            refused(errno.EINVAL, c.map, 0, PAGE, f.fileno())
            works(c)
    s.says('more than 16 file descriptors')
    for _ in range(100):
        if s.fds() <= before:
            return
        time.sleep(0.05)
    raise AssertionError(f'{s.fds()} descriptors, {before} before')


def configuration(s):
    with v.Client(s.paths[0]) as c:
        assert c.get(v.CONFIG, 0, 4) == 0x11e81234
        assert c.get(v.CONFIG, 4, 2) == 0
        c.put(v.CONFIG, 4, 2, 0xffff)
        assert c.get(v.CONFIG, 4, 2) == 0x0547
        c.put(v.CONFIG, 0, 4, 0)
        assert c.get(v.CONFIG, 0, 4) == 0x11e81234
        c.put(v.CONFIG, 0x10, 4, 0xffffffff)
        assert c.get(v.CONFIG, 0x10, 4) == 0xfff00000
        c.put(v.CONFIG, 0x10, 4, 0xfe123456)
        assert c.get(v.CONFIG, 0x10, 4) == 0xfe100000
        c.put(v.CONFIG, 0x14, 4, 0xffffffff)
        assert c.get(v.CONFIG, 0x14, 4) == 0
        at = c.get(v.CONFIG, 0x34, 1)
        while c.get(v.CONFIG, at, 1) != 5:
            at = c.get(v.CONFIG, at + 1, 1)
        c.put(v.CONFIG, at + 2, 2, 0xffff)
        assert c.get(v.CONFIG, at + 2, 2) == 0x80 | 0x71
        c.put(v.CONFIG, at + 4, 8, 0xfee00000)
        assert c.get(v.CONFIG, at + 4, 8) == 0xfee00000
        assert len(c.get(v.CONFIG, 0, 256)) == 256
        c.reset()
        assert c.get(v.CONFIG, 4, 2) == 0
        refused(errno.EINVAL, c.get, v.CONFIG, 255, 2)


def wide_bar(s):
    with v.Client(s.paths[1]) as c:
        c.put(v.CONFIG, 0x10, 8, (1 << 64) - 1)
        assert c.get(v.CONFIG, 0x10, 8) == 0xffffffffffffc004
        assert c.irq(v.MSIX)[1] == 1 and c.irq(v.MSIX)[3] > 1


def regions(s):
    with v.Client(s.paths[0]) as c:
        c.put(0, 4, 4, 0x12345678)
        assert c.get(0, 4, 4) == 0xedcba987
        end = 1 << 20
        for offset, count in ((end, 4), (end - 4, 8), (end - 1, 2), (1 << 63, 4), ((1 << 64) - 4, 8), (0, 0),
                              (0, (1 << 20) + 1), (0, 0xffffffff)):
            refused(errno.EINVAL, c.ask, v.REGION_READ, struct.pack('<QII', offset, 0, count))
        for region in (1, 6, 8, 9, 0xffffffff):
            refused(errno.EINVAL, c.ask, v.REGION_READ, struct.pack('<QII', 0, region, 4))
            refused(errno.EINVAL, c.ask, v.REGION_WRITE, struct.pack('<QII', 0, region, 4) + bytes(4))
        refused(errno.EINVAL, c.ask, v.REGION_WRITE, struct.pack('<QII', 0, 0, 4) + bytes(3))
        refused(errno.EINVAL, c.ask, v.REGION_WRITE, struct.pack('<QII', 0, 0, 4) + bytes(8))
        assert len(c.get(0, 0, 1 << 16)) == 1 << 16
        # no reply is sent to a write with NO_REPLY, also if it is wrong
        head = struct.pack('<QII', 4, 0, 4)
        c.send(v.REGION_WRITE, head + bytes(4), flags=v.NO_REPLY)
        c.send(v.REGION_WRITE, head, flags=v.NO_REPLY)
        assert c.get(0, 4, 4) == 0xffffffff
        writes = b''.join(struct.pack('<QIIQ', 4, 0, 4, n) for n in (1, 2, 3))
        assert c.ask(v.WRITE_MULTI, struct.pack('<Q', 3) + writes) == struct.pack('<Q', 3)
        assert c.get(0, 4, 4) == 0xfffffffc
        refused(errno.EINVAL, c.ask, v.WRITE_MULTI, struct.pack('<Q', 4) + writes)
        refused(errno.EINVAL, c.ask, v.WRITE_MULTI, struct.pack('<Q', 1 << 61) + writes)
        refused(errno.EINVAL, c.ask, v.WRITE_MULTI, struct.pack('<QQIIQ', 1, 4, 0, 9, 0))
    s.says('offset 0x100000 of region 0')


def maps(s):
    fd, _ = memory(16 * PAGE)
    with v.Client(s.paths[0]) as c:
        for address, size, more in (
                (0, 0, {}), (1, PAGE, {}), (0, PAGE - 1, {}), (0, 17 * PAGE, {}), (0, PAGE, {'offset': 16 * PAGE}),
                (0, 2 * PAGE, {'offset': 15 * PAGE}), (0, PAGE, {'offset': 1}), (0, PAGE, {'offset': (1 << 64) - PAGE}),
                (0, (1 << 64) - PAGE, {}), ((1 << 64) - PAGE, PAGE, {}), (1 << 48, PAGE, {}), (0, PAGE, {'flags': 0}),
                (0, PAGE, {'flags': 7}), (0, PAGE, {'argsz': 31})):
            refused(errno.EINVAL, c.map, address, size, fd, **more)
        r, w = os.pipe()
        refused(errno.EINVAL, c.map, 0, PAGE, r)
        os.close(r)
        os.close(w)
        readonly = os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)
        refused(errno.EACCES, c.map, 0, PAGE, readonly)
        c.map(0, PAGE, readonly, flags=v.READ)
        os.close(readonly)
        c.map(4 * PAGE, 4 * PAGE, fd)
        c.map(16 * PAGE, 4 * PAGE)
        for first, n in ((4, 4), (5, 1), (3, 2), (7, 2), (2, 10), (16, 4), (15, 2), (19, 1), (0, 1)):
            refused(errno.EEXIST, c.map, first * PAGE, n * PAGE, fd)
            refused(errno.EEXIST, c.map, first * PAGE, n * PAGE)
        for first, n in ((4, 3), (5, 3), (3, 5), (1, 1), (16, 8)):
            refused(errno.ENOENT, c.unmap, first * PAGE, n * PAGE)
        refused(errno.EOPNOTSUPP, c.unmap, 4 * PAGE, 4 * PAGE, flags=1)
        refused(errno.EINVAL, c.unmap, 4 * PAGE, 4 * PAGE, flags=4)
        refused(errno.EINVAL, c.unmap, 4 * PAGE, 4 * PAGE, flags=2)
        refused(errno.EINVAL, c.ask, v.DMA_UNMAP, struct.pack('<IIQQ', 23, 0, 4 * PAGE, 4 * PAGE))
        assert c.unmap(4 * PAGE, 4 * PAGE) == struct.pack('<IIQQ', 24, 0, 4 * PAGE, 4 * PAGE)
        refused(errno.ENOENT, c.unmap, 4 * PAGE, 4 * PAGE)
        c.map(4 * PAGE, 4 * PAGE, fd)
        c.unmap(0, 0, flags=2)
        refused(errno.ENOENT, c.unmap, 16 * PAGE, 4 * PAGE)
        for i in range(2000):
            c.map(2 * i * PAGE, PAGE, fd if i & 1 else None)
        c.unmap(0, 0, flags=2)
        works(c)
    os.close(fd)


def dma(s):
    fd, m = memory(4 << 20)
    with v.Client(s.paths[0]) as c:
        c.map(0x1000000, 4 << 20, fd)
        m[:4096] = bytes(range(256)) * 16
        edu_dma(c, 0x1000000, 0x40000, 4096, False)
        s.says('has not enabled bus mastering')
        master(c)
        edu_dma(c, 0x1000000, 0x40000, 4096, False)
        edu_dma(c, 0x40000, 0x1000000 + (4 << 20) - 4096, 4096, True)
        assert m[-4096:] == m[:4096]
        # a part of the range is not mapped: nothing is written
        edu_dma(c, 0x40000, 0x1000000 - 100, 200, True)
        s.says('a write of 200 bytes at 0xffff9c, which was never mapped')
        c.unmap(0x1000000, 4 << 20)
        edu_dma(c, 0x40000, 0x1001000, 64, True)
        s.says('use after unmap: a write of 64 bytes at 0x1001000')
        c.map(0x1000000, 1 << 20, fd, flags=v.READ)
        edu_dma(c, 0x40000, 0x1001000, 32, True)
        s.says('0x1001000 for a write of 32 bytes')
        # the mappings remain after a reset
        c.reset()
        master(c)
        edu_dma(c, 0x1000000, 0x40000, 16, False)
        c.map(0x2000000, 4096, fd, offset=1 << 20)
        edu_dma(c, 0x40000, 0x2000000, 16, True)
        assert m[1 << 20:(1 << 20) + 16] == m[:16]
    os.close(fd)


def messages(s, twin=False):
    json = b'{"capabilities":{"max_data_xfer_size":1000,"twin_socket":{"supported":true}}}\0' if twin else v.JSON
    with v.Client(s.paths[0], json=json, twin=twin) as c:
        fd, m = memory(PAGE)
        c.memory = {0x10000: bytearray(range(256)) * 16, 0x12000: bytearray(4096)}
        c.map(0x10000, 4096, flags=v.READ)
        c.map(0x11000, 4096, fd)
        c.map(0x12000, 4096)
        master(c)

        def move(*args):
            edu_start(c, *args)
            if twin:
                for _ in range(5 if args[2] == 4096 else 1):
                    c.serve_one()
            edu_wait(c)

        move(0x10000, 0x40000, 4096, False)
        move(0x40000, 0x12000, 4096, True)
        assert c.memory[0x12000] == c.memory[0x10000]
        # a range that is in memory and in a message
        move(0x40000, 0x11f80, 256, True)
        assert m[0xf80:] + c.memory[0x12000][:128] == bytes(range(256))
        edu_start(c, 0x40000, 0x10000, 64, True)
        edu_wait(c)
        s.says('0x10000 for a write of 64 bytes')
        del c.memory[0x12000]
        move(0x40000, 0x12000, 80, True)
        s.says('a write of 80 bytes at 0x12000 failed')
        os.close(fd)


def messages_wrong(s):
    for answer in (b'', bytes(16), struct.pack('<QQ', 0x10000, 64), struct.pack('<QQ', 0x10000, 64) + bytes(65),
                   struct.pack('<QQ', 0x10000, 63) + bytes(64), struct.pack('<QQ', 0x10001, 64) + bytes(64)):
        with v.Client(s.paths[0]) as c:
            c.map(0x10000, 4096)
            master(c)
            edu_start(c, 0x10000, 0x40000, 64, False)
            number, command, _, _, _ = c.receive()
            c.send(command, answer, flags=v.REPLY, number=number)
            edu_wait(c)
    s.says('the reply to a DMA message for 64 bytes at 0x10000 is wrong')
    # a client that does not answer, and goes on, and goes
    with v.Client(s.paths[0]) as c:
        c.map(0x10000, 4096)
        master(c)
        edu_start(c, 0x10000, 0x40000, 64, False)
        c.receive()
        c.unmap(0x10000, 4096)
        works(c)
    with v.Client(s.paths[0]) as c:
        works(c)


def interrupts(s):
    before = s.fds()
    with v.Client(s.paths[0]) as c:
        e = os.eventfd(0, os.EFD_NONBLOCK)
        r, w = os.pipe()
        for flags, index, start, count, data, fds in (
                (v.EVENTFD | v.TRIGGER, v.MSI, 0, 2, b'', [e, e]), (v.EVENTFD | v.TRIGGER, v.MSI, 1, 1, b'', [e]),
                (v.EVENTFD | v.TRIGGER, v.MSI, 0, 1, b'', [e, e]), (v.EVENTFD | v.TRIGGER, v.MSI, 0, 1, b'', [w]),
                (v.EVENTFD | v.TRIGGER, v.MSIX, 0, 1, b'', [e]), (v.EVENTFD | v.TRIGGER, 3, 0, 1, b'', [e]),
                (v.EVENTFD | v.TRIGGER, 0xffffffff, 0, 1, b'', [e]), (v.NONE | v.TRIGGER, v.MSI, 0, 1, b'', [e]),
                (v.EVENTFD, v.MSI, 0, 1, b'', [e]), (v.TRIGGER, v.MSI, 0, 1, b'', []),
                (v.EVENTFD | v.BOOL | v.TRIGGER, v.MSI, 0, 1, b'\1', [e]), (v.NONE | 63, v.MSI, 0, 1, b'', []),
                (v.NONE | v.TRIGGER | 64, v.MSI, 0, 1, b'', []), (v.BOOL | v.TRIGGER, v.MSI, 0, 1, b'', []),
                (v.BOOL | v.TRIGGER, v.MSI, 0, 1, b'\1\1', []), (v.NONE | v.TRIGGER, v.MSI, 0xffffffff, 2, b'', []),
                (v.NONE | v.TRIGGER, v.MSI, 1, 0xffffffff, b'', []), (v.EVENTFD | v.TRIGGER, v.MSI, 0, 0, b'', []),
                (v.NONE | v.MASK, v.INTX, 0, 0, b'', [])):
            refused(errno.EINVAL, c.set_irqs, flags, index, start, count, data, fds)
        refused(errno.EOPNOTSUPP, c.set_irqs, v.NONE | v.MASK, v.MSI, 0, 1)
        refused(errno.EOPNOTSUPP, c.set_irqs, v.EVENTFD | v.MASK, v.INTX, 0, 1, b'', [e])
        c.set_irqs(v.EVENTFD | v.TRIGGER, v.MSI, 0, 1, fds=[e])
        refused(errno.EINVAL, c.set_irqs, v.EVENTFD | v.TRIGGER, v.INTX, 0, 1, b'', [e])
        c.set_irqs(v.NONE | v.TRIGGER, v.MSI, 0, 1)
        assert os.eventfd_read(e) == 1
        c.set_irqs(v.BOOL | v.TRIGGER, v.MSI, 0, 1, b'\0')
        assert signals(e) == 0
        c.set_irqs(v.BOOL | v.TRIGGER, v.MSI, 0, 1, b'\1')
        assert signals(e) == 1
        master(c)
        c.put(0, 0x60, 4, 1)
        assert signals(e, 5) == 1
        c.put(0, 0x64, 4, 1)
        # removed, and set again; then all of them are disabled
        c.set_irqs(v.EVENTFD | v.TRIGGER, v.MSI, 0, 1)
        c.put(0, 0x60, 4, 1)
        c.set_irqs(v.EVENTFD | v.TRIGGER, v.MSI, 0, 1, fds=[e])
        assert signals(e) == 0
        c.reset()
        master(c)
        c.put(0, 0x60, 4, 1)
        assert signals(e, 5) == 1
        c.set_irqs(v.NONE | v.TRIGGER, v.MSI, 0, 0)
        line(c, e)
        for fd in (e, r, w):
            os.close(fd)
    for _ in range(100):
        if s.fds() <= before:
            return
        time.sleep(0.05)
    raise AssertionError(f'{s.fds()} descriptors, {before} before')


def signals(fd, seconds=0):
    return os.eventfd_read(fd) if select.select([fd], [], [], seconds)[0] else 0


def line(c, e):
    """The interrupt line: a signal masks it; it is signalled again when it is unmasked and still asserted."""
    c.put(0, 0x64, 4, 0xffffffff)
    c.set_irqs(v.EVENTFD | v.TRIGGER, v.INTX, 0, 1, fds=[e])
    c.put(0, 0x60, 4, 1)
    assert signals(e, 5) == 1
    c.put(0, 0x60, 4, 2)
    works(c)
    assert signals(e) == 0
    c.set_irqs(v.NONE | v.UNMASK, v.INTX, 0, 1)
    assert signals(e, 5) == 1
    c.put(0, 0x64, 4, 3)
    c.set_irqs(v.NONE | v.UNMASK, v.INTX, 0, 1)
    assert signals(e) == 0
    c.set_irqs(v.NONE | v.MASK, v.INTX, 0, 1)
    c.put(0, 0x60, 4, 1)
    works(c)
    assert signals(e) == 0
    c.set_irqs(v.BOOL | v.UNMASK, v.INTX, 0, 1, b'\0')
    assert signals(e) == 0
    unmask = os.eventfd(0)
    c.set_irqs(v.EVENTFD | v.UNMASK, v.INTX, 0, 1, fds=[unmask])
    os.eventfd_write(unmask, 1)
    assert signals(e, 5) == 1
    c.put(v.CONFIG, 4, 2, MASTER | 0x400)
    os.eventfd_write(unmask, 1)
    works(c)
    assert signals(e, 0.3) == 0
    c.put(v.CONFIG, 4, 2, MASTER)
    assert signals(e, 5) == 1
    os.close(unmask)


def shrunk(s):
    fd, m = memory(16 * PAGE)
    with v.Client(s.paths[0]) as c:
        c.map(0x100000, 16 * PAGE, fd)
        master(c)
        m.close()
        os.ftruncate(fd, PAGE)
        edu_dma(c, 0x108000, 0x40000, 64, False)
        edu_dma(c, 0x40000, 0x108000, 64, True)
        edu_dma(c, 0x40000, 0x100ff0, 32, True)
        edu_dma(c, 0x40000, 0x100000, 64, True)
        works(c)
    s.says('a write of 64 bytes at 0x108000 failed: the client has truncated the file')
    os.close(fd)


def reconnect(s):
    fd, _ = memory(PAGE)
    with v.Client(s.paths[0]) as c:
        c.put(0, 4, 4, 0x12345678)
        c.map(0, PAGE, fd)
        master(c)
        edu_start(c, 0, 0x40000, PAGE, False)
    with v.Client(s.paths[0]) as c:
        assert c.get(0, 4, 4) != 0xedcba987
        assert c.get(v.CONFIG, 4, 2) == 0
        c.map(0, PAGE, fd)
    # a client that is killed within a message, and one that waits while another one uses the device
    c = v.Client(s.paths[0])
    c.sock.sendall(bytes(3))
    c.close()
    with v.Client(s.paths[0]) as first:
        second = v.Client(s.paths[0], json=None)
        second.send(v.VERSION, struct.pack('<HH', 0, 1))
        works(first)
    assert second.reply(1)
    second.close()
    os.close(fd)


def resident(pid):
    with open(f'/proc/{pid}/statm') as f:
        return int(f.read().split()[1])


def ten_thousand(s):
    def some(n):
        fd, _ = memory(PAGE)
        for i in range(n):
            with v.Client(s.paths[0]) as c:
                if i % 8 == 0:
                    c.map(0, PAGE, fd)
                    c.map(PAGE, PAGE)
                if i % 64 == 0:
                    works(c)
        os.close(fd)

    some(1000)
    fds, pages = s.fds(), resident(s.process.pid)
    some(9000)
    with v.Client(s.paths[0]) as c:
        works(c)
    for _ in range(100):
        if s.fds() <= fds:
            break
        time.sleep(0.05)
    assert s.fds() <= fds, f'{s.fds()} descriptors, {fds} before'
    grown = resident(s.process.pid) - pages
    assert grown < 1000 or SANITIZED, f'{grown} pages more'


def devices(s):
    with v.Client(s.paths[0]) as a, v.Client(s.paths[1]) as b:
        assert a.get(v.CONFIG, 0, 4) == 0x11e81234
        assert b.get(v.CONFIG, 0, 4) == 0x00101b36
        works(a)


def sockets(s):
    def run(*words):
        p = subprocess.run([DMAMAP, 'serve', *words], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stderr

    status, text = run('sim:edu', '--socket', s.paths[0])
    assert status == 1 and 'another server uses the socket' in text, text
    status, text = run('sim:edu', '--socket', '/tmp/' + 'a' * 200)
    assert status == 1 and 'at most 107' in text, text
    plain = f'{s.dir.name}/plain'
    with open(plain, 'w') as f:
        f.write('x')
    status, text = run('sim:edu', '--socket', plain)
    assert status == 1 and 'not a socket' in text, text
    assert os.path.getsize(plain) == 1
    status, text = run('sim:edu', '--socket', f'{s.dir.name}/no/such')
    assert status == 1 and 'No such file' in text, text
    for spec in ('sim:', 'sim:edu,iommu=0', 'sim:edu,policy=identity', 'sim:edu,group=g', 'sim:nosuch'):
        status, text = run(spec, '--socket', f'{s.dir.name}/x')
        assert status == 1 and text.count('\n') == 1, f'{spec}: {text}'
        assert not os.path.exists(f'{s.dir.name}/x')
    for words in ((), ('sim:edu',), ('--socket', 'x'), ('sim:edu', 'sim:edu', '--socket', 'x'),
                  ('sim:edu', '--socket', 'x', 'sim:edu')):
        assert run(*words)[0] == 2, words
    with v.Client(s.paths[0]) as c:
        works(c)


def stale():
    """A socket that a killed server left is replaced; the socket is removed at the end."""
    with Server('sim:edu') as s:
        path = s.paths[0]
        s.process.kill()
        s.process.wait()
        s.process.stdout.close()
        assert os.path.exists(path)
        p = subprocess.Popen([DMAMAP, 'serve', 'sim:edu', '--socket', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert b'serves' in p.stdout.readline()
        assert os.stat(path).st_mode & 0o777 == 0o600
        with v.Client(path) as c:
            works(c)
            p.send_signal(signal.SIGTERM)
            assert p.wait(timeout=60) == 0
            closed(c)
        p.stdout.close()
        assert not os.path.exists(path)


def doorbells(s):
    fd, _ = memory(4 * PAGE)
    with v.Client(s.paths[1]) as c:
        c.map(0, 4 * PAGE, fd)
        master(c)
        c.put(0, 0x24, 4, 1 << 16 | 1)  # queues of two entries
        c.put(0, 0x28, 8, PAGE)
        c.put(0, 0x30, 8, 2 * PAGE)
        c.put(0, 0x14, 4, 4 << 20 | 6 << 16 | 1)
        for _ in range(10000):
            if c.get(0, 0x1c, 4) == 1:
                break
        else:
            raise AssertionError(f'status {c.get(0, 0x1c, 4)}')
        c.put(0, 0x1000, 4, 2)
        s.says('the doorbell of submission queue 0 was set to 2: the queue has 2 entries')
        c.put(0, 0x1008, 4, 1)
        s.says('the doorbell of submission queue 1 was written: there is no such queue')
        c.put(0, 0x1ffc, 4, 1)
        s.says('a doorbell beyond the last one')
    os.close(fd)


def test(name, run, *args):
    def problems():
        try:
            run(*args)
        except Exception as e:  # pylint: disable=broad-except
            where = e.__traceback__
            while where.tb_next:
                where = where.tb_next
            yield f'line {where.tb_lineno}: {type(e).__name__}: {e}'
    tap.result(name, problems())


def main():
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(1 << 20)
        with Server('sim:edu', f'sim:nvme,image={image.name}') as s:
            for run in (information, short_payloads, unknown_commands, versions, framing, descriptors, configuration,
                        wide_bar, regions, maps, dma, messages, messages_wrong, interrupts, doorbells, shrunk, reconnect, devices,
                        sockets):
                test(run.__name__.replace('_', ' '), run, s)
            test('messages on a second socket', messages, s, True)
            test('10,000 connections leave nothing', ten_thousand, s)
            test('the end', s.stop)
    test('a stale socket', stale)
    tap.finish()


if __name__ == '__main__':
    main()
