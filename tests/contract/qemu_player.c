/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for virtio-serial with one console (Virtual I/O Device specification 1.1: "Virtio Over
 * PCI Bus", "Split Virtqueues", "Console Device"), as small as possible: a queue in each direction,
 * one descriptor in flight. Its rings are internal pages that are mapped without the library's
 * counters, so that the counts of the body do not include them. After an access that VT-d refused,
 * the device requires a reset, and the player resets it.
 */
#include "qemu_player.h"
#include "player_itself.h"

#include "base/error.h"
#include "domain/device.h"
#include "qemu/private.h"

#include <linux/mm.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PLAYERS	     4
#define QUEUE_SIZE   16
#define CHUNK	     4096 /* what QEMU reads from a socket at once */
#define RINGS_AT     0x20000ull
#define SAID_AT_ONCE 65536
#define RECEIVE	     0 /* queues */
#define TRANSMIT     1

enum { COMMON = 1, NOTIFY = 2 }; /* types of the capabilities that are used */

struct queue {
	struct {
		u64 addr;
		u32 len;
		u16 flags, next;
	} desc[QUEUE_SIZE];
	struct {
		u16 flags, idx, ring[QUEUE_SIZE];
	} avail;
	u8 apart[1024];
	struct {
		u16 flags, idx;
		struct {
			u32 id, len;
		} ring[QUEUE_SIZE];
	} used;
};

struct player {
	struct device *dev; /* NULL: free */
	int fd;
	pthread_mutex_t lock; /* one access at a time */
	int bar[3];
	u32 at[3], notify_step;
	u16 notify_off[2];
	struct page *page;
	struct queue *queue;  /* two, a page each */
	u64 addr;	      /* of them, for the device */
	dma_addr_t last_addr; /* of the access that was refused */
	size_t last_len;
};

static struct player players[PLAYERS];
static pthread_mutex_t players_lock = PTHREAD_MUTEX_INITIALIZER;

void player_need_qemu(void)
{
	if (system("qemu-system-x86_64 --version > /dev/null 2>&1") == 0)
		return;
	printf("1..0 # SKIP there is no qemu-system-x86_64 here\n");
	exit(0);
}

static struct player *player_of(const struct device *dev)
{
	for (int i = 0; i < PLAYERS; i++)
		if (players[i].dev == dev)
			return &players[i];
	return NULL;
}

static bool find_structures(struct player *p)
{
	u8 at = dmamap_readb(p->dev, DMAMAP_CONFIG, 0x34);

	for (int i = 0; at && i < 48; i++, at = dmamap_readb(p->dev, DMAMAP_CONFIG, at + 1u)) {
		u8 type = dmamap_readb(p->dev, DMAMAP_CONFIG, at + 3u);

		if (dmamap_readb(p->dev, DMAMAP_CONFIG, at) != 9 ||
		    (type != COMMON && type != NOTIFY))
			continue;
		p->bar[type] = dmamap_readb(p->dev, DMAMAP_CONFIG, at + 4u);
		p->at[type] = dmamap_readl(p->dev, DMAMAP_CONFIG, at + 8u);
		if (type == NOTIFY)
			p->notify_step = dmamap_readl(p->dev, DMAMAP_CONFIG, at + 16u);
	}
	return p->at[COMMON] || p->at[NOTIFY];
}

static u64 common(struct player *p, u32 offset)
{
	return p->at[COMMON] + offset;
}

static void set_up_queue(struct player *p, u16 n)
{
	int bar = p->bar[COMMON];
	u64 at = p->addr + n * PAGE_SIZE;

	dmamap_writew(p->dev, bar, common(p, 0x16), n);
	dmamap_writew(p->dev, bar, common(p, 0x18), QUEUE_SIZE);
	dmamap_writel(p->dev, bar, common(p, 0x20), (u32)at);
	dmamap_writel(p->dev, bar, common(p, 0x24), (u32)(at >> 32));
	at += offsetof(struct queue, avail);
	dmamap_writel(p->dev, bar, common(p, 0x28), (u32)at);
	dmamap_writel(p->dev, bar, common(p, 0x2c), (u32)(at >> 32));
	at += offsetof(struct queue, used) - offsetof(struct queue, avail);
	dmamap_writel(p->dev, bar, common(p, 0x30), (u32)at);
	dmamap_writel(p->dev, bar, common(p, 0x34), (u32)(at >> 32));
	p->notify_off[n] = dmamap_readw(p->dev, bar, common(p, 0x1e));
	dmamap_writew(p->dev, bar, common(p, 0x1c), 1);
}

static struct queue *queue_of(struct player *p, int n)
{
	return (struct queue *)((u8 *)p->queue + n * PAGE_SIZE);
}

static bool start(struct player *p)
{
	int bar = p->bar[COMMON];
	u32 offered;

	dmamap_writeb(p->dev, bar, common(p, 0x14), 0);
	while (dmamap_readb(p->dev, bar, common(p, 0x14)) != 0)
		;
	memset(p->queue, 0, 2 * PAGE_SIZE);
	dmamap_writeb(p->dev, bar, common(p, 0x14), 3);
	dmamap_writel(p->dev, bar, common(p, 0x00), 1);
	offered = dmamap_readl(p->dev, bar, common(p, 0x04));
	dmamap_writel(p->dev, bar, common(p, 0x08), 1);
	dmamap_writel(p->dev, bar, common(p, 0x0c), offered & 3); /* version 1, through the IOMMU */
	dmamap_writel(p->dev, bar, common(p, 0x08), 0);
	dmamap_writel(p->dev, bar, common(p, 0x0c), 0);
	dmamap_writeb(p->dev, bar, common(p, 0x14), 11);
	set_up_queue(p, RECEIVE);
	set_up_queue(p, TRANSMIT);
	dmamap_writeb(p->dev, bar, common(p, 0x14), 15);
	return dmamap_readb(p->dev, bar, common(p, 0x14)) == 15;
}

static bool take_rings(struct player *p)
{
	struct domain *dom = p->dev->domain;

	p->page = page_alloc(__GFP_INTERNAL | __GFP_ZERO, 1, 0xffffffff);
	if (!p->page)
		return false;
	p->queue = page_address(p->page);
	p->addr = phys_of(p->queue).v;
	if (!p->dev->iommu || p->dev->identity_mapped)
		return true;
	/* no address is in use yet, and these pages are adjacent to no mapping */
	if (iova_reserve(dom->iova, RINGS_AT >> PAGE_BITS, 2) ||
	    dom->space.ops->map(&dom->space, IOVA(RINGS_AT), PHYS(p->addr), 2 * PAGE_SIZE,
				PT_READ | PT_WRITE))
		return false;
	p->addr = RINGS_AT;
	return true;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Puts one descriptor into a queue and rings the doorbell. */
static u16 submit(struct player *p, int n, dma_addr_t addr, size_t len)
{
	struct queue *q = queue_of(p, n);
	u16 idx = q->avail.idx, slot = idx % QUEUE_SIZE;

	q->desc[slot].addr = addr;
	q->desc[slot].len = (u32)len;
	q->desc[slot].flags = n == RECEIVE ? 2 : 0;
	q->avail.ring[slot] = slot;
	write_release(&q->avail.idx, (u16)(idx + 1));
	dmamap_writew(p->dev, p->bar[NOTIFY], p->at[NOTIFY] + p->notify_off[n] * p->notify_step,
		      (u16)n);
	return (u16)(idx + 1);
}

static bool is_used(struct player *p, int n, u16 idx)
{
	return read_acquire(&queue_of(p, n)->used.idx) == idx;
}

/* The device stopped: a descriptor had an address that is not mapped. */
static bool is_broken(struct player *p)
{
	return dmamap_readb(p->dev, p->bar[COMMON], common(p, 0x14)) & 0x40;
}

/* 0; -EFAULT. */
static int transmit_part(struct player *p, dma_addr_t addr, u8 *buf, size_t n)
{
	u16 idx = submit(p, TRANSMIT, addr, n);
	size_t got = 0;

	while (got < n || !is_used(p, TRANSMIT, idx)) {
		ssize_t r = recv(p->fd, buf + got, n - got, MSG_DONTWAIT);

		if (r > 0)
			got += (size_t)r;
		else if (got < n && is_broken(p))
			return -EFAULT;
	}
	return 0;
}

/* A console drops what its socket has no space for. */
static int transmit(struct player *p, dma_addr_t addr, u8 *buf, size_t n)
{
	int err = 0;

	for (size_t done = 0, part; !err && done < n; done += part) {
		part = n - done < SAID_AT_ONCE ? n - done : SAID_AT_ONCE;
		err = transmit_part(p, addr + done, buf + done, part);
	}
	return err;
}

static int receive(struct player *p, dma_addr_t addr, const u8 *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t part = n - done < CHUNK ? n - done : CHUNK;
		u16 idx = submit(p, RECEIVE, addr + done, part);

		if (send(p->fd, buf + done, part, MSG_NOSIGNAL) != (ssize_t)part)
			return -EIO;
		while (!is_used(p, RECEIVE, idx))
			if (is_broken(p))
				return -EFAULT;
		done += part;
	}
	return 0;
}

/* QEMU discards the console's output until it has accepted the connection. */
static bool console_replies(struct player *p)
{
	for (int i = 0; i < 5000; i++) {
		u16 idx = submit(p, TRANSMIT, p->addr, 1);
		struct pollfd f = {.fd = p->fd, .events = POLLIN};
		char byte;

		while (!is_used(p, TRANSMIT, idx))
			if (is_broken(p))
				return false;
		if (poll(&f, 1, 1) > 0)
			return recv(p->fd, &byte, 1, 0) == 1;
	}
	return false;
}

struct device *player_open(const char *spec)
{
	static unsigned int number;
	struct player *p;
	char path[64], full[512];
	bool ok;

	if (strncmp(spec, "qemu:", 5) != 0)
		return dmamap_open(spec);
	snprintf(path, sizeof(path), "/tmp/dmamap-player-%d-%u", (int)getpid(),
		 __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	snprintf(full, sizeof(full),
		 "%s,ioeventfd=off,max_ports=1,arg=-chardev,"
		 "arg=socket,,id=player,,path=%s,,server=on,,wait=off,"
		 "arg=-device,arg=virtconsole,,bus=dmamap.0,,chardev=player",
		 spec, path);
	pthread_mutex_lock(&players_lock);
	p = player_of(NULL);
	p->dev = dmamap_open(full);
	if (p->dev) {
		p->fd = connect_to(path);
		pthread_mutex_init(&p->lock, NULL);
		ok = p->fd >= 0 && find_structures(p) && take_rings(p) && start(p) &&
		     console_replies(p);
		if (!ok)
			printf("# the player does not start: %s\n", dmamap_strerror());
	}
	unlink(path);
	pthread_mutex_unlock(&players_lock);
	return p->dev;
}

void player_close(struct device *dev)
{
	struct player *p = dev ? player_of(dev) : NULL;

	dmamap_close(dev);
	if (!p)
		return;
	close(p->fd);
	p->dev = NULL;
}

static u64 faults_seen(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	dmamap_stats(dev, &s);
	return s.faults;
}

/* The page table has a page of the range only for the other direction. */
static bool one_way(struct device *dev, dma_addr_t addr, size_t n, bool write)
{
	for (u64 at = addr & PAGE_MASK; dev->iommu && at < addr + n; at += PAGE_SIZE) {
		u64 entry = pt_walk(&dev->domain->pt, IOVA(at));

		if (entry && !(entry & (write ? PT_WRITE : PT_READ)))
			return true;
	}
	return false;
}

/*
 * The console accesses a descriptor's memory more than once. While VT-d's only record is full it
 * records no second fault; if it were cleared in the middle, one access would count as two.
 */
static int access_once(struct player *p, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	struct qemu *q = p->dev->ops_priv;
	int err;

	pthread_mutex_lock(&q->faults_lock);
	err = write ? receive(p, addr, buf, n) : transmit(p, addr, buf, n);
	pthread_mutex_unlock(&q->faults_lock);
	return err;
}

/*
 * The console reads zeros where VT-d refuses it, or its writes are lost, and a fault is recorded.
 * QEMU's VT-d records none if it has cached a translation without that permission, so such an
 * access is repeated after the translation was evicted.
 */
static int play(struct device *dev, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	struct player *p = player_of(dev);
	bool refused = false;
	int err = 0;

	pthread_mutex_lock(&p->lock);
	for (int tries = 0; tries < 2 && !refused && !err; tries++) {
		u64 before = faults_seen(dev);

		err = access_once(p, addr, buf, n, write);
		refused = faults_seen(dev) != before;
		if (!refused && !one_way(dev, addr, n, write))
			break;
		p->last_addr = addr;
		p->last_len = n;
		if (!refused)
			dev->domain->space.ops->invalidate_all(&dev->domain->space);
	}
	if (err)
		start(p);
	pthread_mutex_unlock(&p->lock);
	return refused ? -EFAULT : err;
}

static int play_read(struct device *dev, dma_addr_t addr, void *buf, size_t n)
{
	u8 *seen = malloc(n);
	int err = seen ? play(dev, addr, seen, n, false) : -ENOMEM;

	if (!err)
		memcpy(buf, seen, n);
	free(seen);
	return err;
}

int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n)
{
	return player_of(dev) ? play_read(dev, addr, buf, n) : dmamap_bus_read(dev, addr, buf, n);
}

int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n)
{
	return player_of(dev) ? play(dev, addr, (u8 *)(uintptr_t)buf, n, true)
			      : dmamap_bus_write(dev, addr, buf, n);
}

int player_fault_next(struct device *dev, struct dmamap_fault *f)
{
	int n = dmamap_bus_fault_next(dev, f);
	struct player *p = dev ? player_of(dev) : NULL;

	if (n == 1 && p && f->addr - (p->last_addr & PAGE_MASK) < p->last_len + PAGE_SIZE) {
		f->addr = p->last_addr;
		f->len = p->last_len;
	}
	return n;
}
