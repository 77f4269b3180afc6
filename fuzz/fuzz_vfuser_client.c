/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device of a server that replies anything. The server sends right replies and changes them as
 * the input says: any byte, the length, the descriptors; it sends requests of its own before a
 * reply, and closes the connection. After each input nothing is left, and a right server can be
 * opened.
 *
 * A message that is incomplete would make the client wait for its timeout. So the server closes the
 * connection if the client has made no request for some milliseconds after a changed reply.
 */
#include "../tests/unit/fd_message.h"
#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <dirent.h>
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BAR_BYTES 8192u
#define QUIET_MS  5

static char folder[] = "/tmp/dmamap-fuzz-vfu-XXXXXX", path[64], spec[128];
static int listen_fd, kinds[4]; /* descriptors that a reply may have */
static const uint8_t *input, *input_end;
static struct page *page; /* RAM stays */

struct reply {
	struct vfuser_header head;
	u8 payload[4096];
};

static u32 take(void)
{
	return input < input_end ? *input++ : 0;
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un a;

	if (!mkdtemp(folder))
		exit(1);
	atexit(remove_folder);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(spec, sizeof(spec), "vfio-user:%s,timeout=2", path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (vfuser_address(path, &a) || bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listen_fd, 4))
		exit(1);
	kinds[0] = memfd_create("bar", MFD_CLOEXEC);
	kinds[1] = memfd_create("empty", MFD_CLOEXEC);
	kinds[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	kinds[3] = memfd_create("short", MFD_CLOEXEC);
	if (ftruncate(kinds[0], BAR_BYTES) || ftruncate(kinds[3], 4096))
		exit(1);
	page = alloc_page(GFP_KERNEL);
	return 0;
}

/* Appends to the payload. */
static void put(struct reply *r, const void *bytes, size_t n)
{
	memcpy((u8 *)r + r->head.size, bytes, n);
	r->head.size += (u32)n;
}

static bool reply_region(struct reply *r, const struct vfuser_message *m)
{
	struct vfuser_region_info info;
	const struct vfuser_cap_head other = {.id = 7, .next = 40};
	const struct vfuser_cap_sparse sparse = {.head = {.id = VFUSER_CAP_SPARSE}, .count = 1};
	const struct vfuser_sparse_area area = {4096, 4096};

	memcpy(&info, m->data, sizeof(info));
	info.flags = VFUSER_REGION_READABLE | VFUSER_REGION_WRITABLE;
	info.size = info.index == 7 ? 256 : info.index == 0 ? BAR_BYTES : 0;
	if (info.index == 0) {
		info.flags |= VFUSER_REGION_MMAP | VFUSER_REGION_CAPS;
		info.cap_offset = sizeof(info);
	}
	put(r, &info, sizeof(info));
	if (info.index)
		return false;
	put(r, &other, sizeof(other));
	put(r, &sparse, sizeof(sparse));
	put(r, &area, sizeof(area));
	return true;
}

/* The right reply. Returns whether it has a descriptor. */
static bool reply_rightly(struct reply *r, const struct vfuser_message *m)
{
	const struct vfuser_device_info device = {16, VFUSER_DEVICE_PCI | VFUSER_DEVICE_RESET, 9,
						  5};
	struct vfuser_region_access access = {0};
	struct vfuser_irq_info irq;
	struct vfuser_version v;

	*r = (struct reply){.head = {m->head.id, m->head.command, 16, VFUSER_REPLY, 0}};
	switch (m->head.command) {
	case VFUSER_VERSION:
		vfuser_version_defaults(&v);
		v.max_msg_fds = 8;
		r->head.size += vfuser_version_format(r->payload, &v);
		break;
	case VFUSER_DEVICE_INFO:
		put(r, &device, sizeof(device));
		break;
	case VFUSER_REGION_INFO:
		return reply_region(r, m);
	case VFUSER_IRQ_INFO:
		memcpy(&irq, m->data, sizeof(irq));
		irq.flags = VFUSER_IRQ_EVENTFD | (irq.index ? 0 : VFUSER_IRQ_AUTOMASK);
		irq.count = irq.index < 2 ? 1 : 3;
		put(r, &irq, sizeof(irq));
		break;
	case VFUSER_REGION_READ:
	case VFUSER_REGION_WRITE:
		memcpy(&access, m->data, sizeof(access));
		put(r, &access, sizeof(access));
		if (m->head.command == VFUSER_REGION_READ)
			put(r, "\1\2\3\4\5\6\7\10", access.count);
		break;
	case VFUSER_DMA_UNMAP:
		put(r, m->data, m->size);
		break;
	}
	return false;
}

static void send_bytes(struct vfuser_channel *c, const void *bytes, size_t n, int fd, u32 n_fds)
{
	const int fds[8] = {fd, fd, fd, fd, fd, fd, fd, fd};

	if (n)
		fd_message_send(c->fd, bytes, n, fds, n_fds, MSG_DONTWAIT);
}

/* A request of the server, mostly for an address that may be mapped. */
static void send_request(struct vfuser_channel *c)
{
	static const u16 commands[] = {VFUSER_DMA_READ, VFUSER_DMA_WRITE, VFUSER_VERSION, 77};
	struct {
		struct vfuser_header head;
		struct vfuser_dma_access a;
		u8 data[256];
	} r = {0};
	u32 kind = take(), n = take(), extra = take();

	r.head = (struct vfuser_header){.id = (u16)n, .command = commands[kind & 3]};
	r.head.flags = kind & 4 ? VFUSER_NO_REPLY : 0;
	r.a.address = (u64)take() << 12 | (u64)take() << 4;
	if (kind & 8)
		r.a.address = ~0ull - take();
	r.a.count = kind & 16 ? ~0ull : n;
	r.head.size = 32 + (kind & 1 ? n : 0);
	if (kind & 32)
		r.head.size += extra - 128;
	send_bytes(c, &r, r.head.size < sizeof(r) ? r.head.size : sizeof(r), kinds[0], kind >> 7);
}

/* Sends the reply as the input says. Returns whether it was changed. */
static bool send_reply(struct vfuser_channel *c, const struct vfuser_message *m)
{
	struct reply r;
	u32 op = take(), n_fds = reply_rightly(&r, m);
	int fd = kinds[0];
	size_t n = r.head.size;

	if (op & 128 && op & 32)
		send_request(c);
	if (m->head.flags & VFUSER_NO_REPLY)
		return false;
	for (u32 i = 0; op & 128 && i < (op & 7); i++) {
		u32 at = take() % n; /* the structures are short */

		((u8 *)&r)[at] ^= (u8)take();
	}
	if (op & 128 && op & 8)
		n = take() % (n + 1);
	if (op & 128 && op & 16) {
		fd = kinds[take() & 3];
		n_fds = take() & 7;
	}
	send_bytes(c, &r, n, fd, n_fds);
	if ((op & 0xc0) == 0xc0 && op & 8)
		vfuser_channel_stop(c);
	return op & 128;
}

static void *serve(void *arg)
{
	static u8 payload[1 << 17];
	struct vfuser_message m = {.data = payload, .room = sizeof(payload)};
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct vfuser_channel c;
	bool changed = false;

	if (fd < 0 || vfuser_channel_init(&c, fd))
		abort();
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (changed && !vfuser_has_ahead(&c) && poll(&p, 1, QUIET_MS) <= 0)
			break;
		if (vfuser_receive(&c, &m, VFUSER_FOREVER_MS))
			break;
		if ((m.head.flags & VFUSER_TYPE) == VFUSER_REQUEST)
			changed |= send_reply(&c, &m);
		vfuser_message_close(&m);
	}
	vfuser_channel_stop(&c);
	vfuser_channel_fini(&c);
	return NULL;
}

static void use_memory(struct device *dev, void *p)
{
	dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);

	if (!dma_mapping_error(dev, addr)) {
		dmamap_readl(dev, 0, 8);
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	} else if (!*dmamap_strerror()) {
		abort();
	}
}

static void use(struct device *dev)
{
	void *ram = kmalloc(4096, GFP_KERNEL), *heap = malloc(4096);
	struct dmamap_bar_info bar;
	struct dmamap_fault fault;

	if (!ram || !heap)
		abort();
	dmamap_bar(dev, 0, &bar);
	dmamap_readl(dev, 0, 0);
	dmamap_writel(dev, 0, 4, 1);
	dmamap_readq(dev, 0, 4096);
	dmamap_writeb(dev, 0, 4097, 1);
	dmamap_readw(dev, DMAMAP_CONFIG, 2);
	use_memory(dev, ram);
	use_memory(dev, heap);
	if (dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1) == 1)
		dmamap_irq_eoi(dev, 0);
	dmamap_bus_fault_next(dev, &fault);
	free(heap);
	kfree(ram);
}

static unsigned int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

static void run(const uint8_t *data, size_t size, bool right)
{
	unsigned int before = fds_open();
	struct device *dev;
	pthread_t server;

	input = data;
	input_end = data + size;
	if (pthread_create(&server, NULL, serve, NULL))
		abort();
	errno = 0;
	dev = dmamap_open(spec);
	if (!dev && (right || !errno || !*dmamap_strerror()))
		abort();
	if (dev)
		use(dev);
	dmamap_close(dev);
	pthread_join(server, NULL);
	if (fds_open() != before)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int n;

	run(data, size, false);
	if (++n % 64 == 0)
		run(data, 0, true);
	return 0;
}
