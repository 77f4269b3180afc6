# SPDX-License-Identifier: BSD-2-Clause
"""A client of the vfio-user protocol that sends whatever a test passes, right or wrong."""

import array
import os
import socket
import struct

VERSION, DMA_MAP, DMA_UNMAP, DEVICE_INFO, REGION_INFO, REGION_IO_FDS, IRQ_INFO, SET_IRQS = range(1, 9)
REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET = range(9, 14)
WRITE_MULTI, FEATURE = 15, 16
REPLY, NO_REPLY, ERROR = 1, 0x10, 0x20
CONFIG = 7
INTX, MSI, MSIX = range(3)
NONE, BOOL, EVENTFD, MASK, UNMASK, TRIGGER = 1, 2, 4, 8, 16, 32
READ, WRITE = 1, 2
JSON = b'{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576}}\0'


class Closed(Exception):
    """The server closed the connection."""


class Refused(Exception):
    """The reply is an error; `errno` is its number."""

    def __init__(self, errno):
        super().__init__(os.strerror(errno))
        self.errno = errno


class Client:
    def __init__(self, path, json=JSON, version=(0, 1), twin=False):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.id = 0
        self.memory = {}  # address to bytearray: what DMA_READ and DMA_WRITE access
        self.dma = None
        self.fds = []
        if json is not None:
            reply = self.ask(VERSION, struct.pack('<HH', *version) + json)
            self.version = struct.unpack_from('<HH', reply)
            self.json = reply[4:]
            if twin:
                self.dma = socket.socket(fileno=self.fds.pop())

    def close(self):
        for fd in self.fds:
            os.close(fd)
        if self.dma:
            self.dma.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, command, payload=b'', fds=(), flags=0, size=None, sock=None, number=None, error=0):
        self.id = (self.id + 1) & 0xffff
        head = struct.pack('<HHIII', self.id if number is None else number, command,
                           16 + len(payload) if size is None else size, flags, error)
        data = head + payload
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        sent = (sock or self.sock).sendmsg([data], control)
        if sent < len(data):
            (sock or self.sock).sendall(data[sent:])
        return self.id

    def read(self, n, sock):
        data = b''
        while len(data) < n:
            try:
                part, control, _, _ = sock.recvmsg(n - len(data), 4096)
            except ConnectionResetError:
                raise Closed() from None
            for level, kind, fds in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self.fds += array.array('i', fds[:len(fds) // 4 * 4])
            if not part:
                raise Closed()
            data += part
        return data

    def receive(self, sock=None):
        sock = sock or self.sock
        number, command, size, flags, error = struct.unpack('<HHIII', self.read(16, sock))
        return number, command, flags, error, self.read(size - 16, sock)

    def serve(self, number, command, payload, sock=None):
        """Answers one DMA message."""
        address, count = struct.unpack_from('<QQ', payload)
        for base, memory in self.memory.items():
            if base <= address and address + count <= base + len(memory):
                at = address - base
                break
        else:
            self.send(command, flags=REPLY | ERROR, number=number, sock=sock, error=14)
            return
        if command == DMA_WRITE:
            memory[at:at + count] = payload[16:]
        data = bytes(memory[at:at + count]) if command == DMA_READ else b''
        self.send(command, payload[:16] + data, flags=REPLY, number=number, sock=sock)

    def serve_one(self):
        number, command, _, _, payload = self.receive(self.dma)
        self.serve(number, command, payload, self.dma)

    def reply(self, wanted):
        """The reply to the message; DMA messages before it are answered."""
        while True:
            number, command, flags, error, payload = self.receive()
            if flags & 0xf == 0:
                self.serve(number, command, payload)
                continue
            assert number == wanted, f'a reply to message {number}, not {wanted}'
            if flags & ERROR:
                assert not payload
                raise Refused(error)
            return payload

    def ask(self, command, payload=b'', fds=(), **more):
        return self.reply(self.send(command, payload, fds, **more))

    def map(self, address, size, fd=None, offset=0, flags=READ | WRITE, argsz=32):
        self.ask(DMA_MAP, struct.pack('<IIQQQ', argsz, flags, offset, address, size), [] if fd is None else [fd])

    def unmap(self, address, size, flags=0):
        return self.ask(DMA_UNMAP, struct.pack('<IIQQ', 24, flags, address, size))

    def region(self, index):
        return struct.unpack('<IIIIQQ', self.ask(REGION_INFO, struct.pack('<IIIIQQ', 32, 0, index, 0, 0, 0)))

    def irq(self, index):
        return struct.unpack('<IIII', self.ask(IRQ_INFO, struct.pack('<IIII', 16, 0, index, 0)))

    def set_irqs(self, flags, index, start, count, data=b'', fds=()):
        self.ask(SET_IRQS, struct.pack('<IIIII', 20 + len(data), flags, index, start, count) + data, fds)

    def get(self, region, offset, count):
        reply = self.ask(REGION_READ, struct.pack('<QII', offset, region, count))
        assert reply[:16] == struct.pack('<QII', offset, region, count)
        return int.from_bytes(reply[16:], 'little') if count <= 8 else reply[16:]

    def put(self, region, offset, count, value, **more):
        data = value if isinstance(value, bytes) else value.to_bytes(count, 'little')
        return self.ask(REGION_WRITE, struct.pack('<QII', offset, region, count) + data, **more)

    def reset(self):
        self.ask(RESET)
