/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for NVM Express (NVM Express Base Specification 1.4: "Controller Registers", "Queue
 * Model", "Scatter Gather List", "Command Set"), as small as possible: one queue pair beside the
 * admin queues, polled. SGLs transfer single bytes: a command consists of a part of the target that
 * is in one page, and scratch memory for the rest of its last block. Queues and buffers are
 * internal pages that are mapped without the library's counters, so that the counts of the body do
 * not include them.
 *
 * A controller of QEMU's does not detect that the IOMMU refused an access: it reads zeros, or its
 * writes are lost. So the player checks whether the IOMMU had a fault: through the library, or
 * behind a kernel that reports none to processes, by the count of fault interrupts. QEMU's VT-d
 * records no fault if it has cached a translation that lacks the permission. An access that may
 * have been of this kind is repeated after other translations have evicted the cached ones.
 */
#include "nvme_player.h"
#include "player_itself.h"
#include "iommu_faults.h"
#include "nvme_player_queue.h"

#include "base/error.h"
#include "domain/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct player players[PLAYERS];
static const struct device *function_user[PLAYERS]; /* of the n-th function; under players_lock */
static pthread_mutex_t players_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_qemu(const char *spec)
{
	return strncmp(spec, "qemu:", 5) == 0;
}

void player_need(const char *spec)
{
	if (is_qemu(spec)) {
		if (system("qemu-system-x86_64 --version > /dev/null 2>&1") == 0)
			return;
		printf("1..0 # SKIP there is no qemu-system-x86_64 here\n");
	} else {
		if (getenv("CONTRACT_FUNCTIONS"))
			return;
		printf("1..0 # SKIP CONTRACT_FUNCTIONS names no functions\n");
	}
	exit(0);
}

static struct player *player_of(const struct device *dev)
{
	for (int i = 0; i < PLAYERS; i++)
		if (players[i].dev == dev)
			return &players[i];
	return NULL;
}

static int map_behind(struct player *p, u64 at, u8 *cpu, u64 size)
{
	struct domain *dom = p->dev->domain;

	return dom->space.ops->map(&dom->space, IOVA(at), phys_of(cpu), size, PT_READ | PT_WRITE);
}

static bool take_memory(struct player *p)
{
	struct page *page = page_alloc(__GFP_INTERNAL | __GFP_ZERO, PAGES_ORDER, 0xffffffff);
	struct iova_space *iova = p->dev->domain->iova;

	if (!page)
		return false;
	p->memory = page_address(page);
	p->addr = phys_of(p->memory).v;
	p->push_addr = 0;
	if (!p->dev->iommu || p->dev->identity_mapped)
		return true;
	p->addr = PLAYER_AT;
	return !iova_reserve(iova, PLAYER_AT >> PAGE_BITS, PAGES) &&
	       !iova_reserve(iova, PUSH_AT >> PAGE_BITS, PUSH) &&
	       !map_behind(p, PLAYER_AT, p->memory, PAGES * PAGE_SIZE);
}

static u64 faults_seen(struct player *p)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	if (p->kernel_has_iommu)
		return iommu_faults_count();
	dmamap_stats(p->dev, &s);
	return s.faults;
}

static bool set_up(struct player *p, const char *spec)
{
	p->kernel_has_iommu = !is_qemu(spec);
	p->refused = false;
	pthread_mutex_init(&p->lock, NULL);
	return (!p->kernel_has_iommu || iommu_faults_find()) && take_memory(p) && start(p);
}

/* An empty disk for QEMU's controller. */
static bool make_image(struct player *p)
{
	int fd;

	snprintf(p->image, sizeof(p->image), "/tmp/dmamap-player-XXXXXX");
	fd = mkstemp(p->image);
	if (fd < 0 || ftruncate(fd, 1 << 20))
		return false;
	return close(fd) == 0;
}

/* The n-th word of CONTRACT_FUNCTIONS, the function for the n-th device that is open at once. */
static void function_name(unsigned int n, char *out, size_t size)
{
	const char *at = getenv("CONTRACT_FUNCTIONS");

	while (at && n--) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	snprintf(out, size, "%.*s", at ? (int)strcspn(at, " ") : 0, at ? at : "");
}

static struct device *open_function(struct player *p, const char *spec)
{
	char full[512], function[32];
	int n = (int)strcspn(spec, ":") + 1;
	struct device *dev;
	unsigned int i = 0;

	if (!strncmp(spec, "sim", 3)) /* a test of the spec itself */
		return dmamap_open(spec);
	if (is_qemu(spec)) {
		if (!make_image(p))
			return NULL;
		snprintf(full, sizeof(full), "%s,image=%s", spec, p->image);
		return dmamap_open(full);
	}
	while (i < PLAYERS - 1 && function_user[i])
		i++;
	function_name(i, function, sizeof(function));
	snprintf(full, sizeof(full), "%.*s%s%s", n, spec, function, spec + n);
	dev = dmamap_open(full);
	function_user[i] = dev;
	return dev;
}

struct device *player_open(const char *spec)
{
	struct player *p;
	struct device *dev;

	pthread_mutex_lock(&players_lock);
	p = player_of(NULL);
	p->image[0] = 0;
	dev = open_function(p, spec);
	if (p->image[0])
		unlink(p->image);
	/*
	 * class code: an NVMe controller; any other function has no player, and its accesses are
	 * not made
	 */
	if (dev && dmamap_readl(dev, DMAMAP_CONFIG, 8) >> 8 == 0x010802) {
		p->dev = dev;
		if (!set_up(p, spec))
			printf("# the player does not start: %s\n", dmamap_strerror());
	}
	pthread_mutex_unlock(&players_lock);
	return dev;
}

void player_close(struct device *dev)
{
	struct player *p = dev ? player_of(dev) : NULL;

	pthread_mutex_lock(&players_lock);
	for (int i = 0; dev && i < PLAYERS; i++)
		if (function_user[i] == dev)
			function_user[i] = NULL;
	pthread_mutex_unlock(&players_lock);
	dmamap_close(dev);
	if (!p)
		return;
	p->dev = NULL;
}

/* Command k of a batch: `n` bytes at addr, within a page, to or from its blocks. */
static void put_part(struct player *p, u8 opcode, unsigned int k, dma_addr_t addr, u32 n)
{
	struct sgl *list = (struct sgl *)page_at(p, LISTS) + 2 * k;
	u32 blocks = (n + BLOCK - 1) / BLOCK;
	struct command *c = put(p, &p->io, opcode, addr, n);

	if (n % BLOCK) {
		list[0] = (struct sgl){.addr = addr, .len = n};
		list[1] = (struct sgl){.addr = addr_of(p, SCRATCH), .len = blocks * BLOCK - n};
		c->data.addr = addr_of(p, LISTS) + 2 * k * sizeof(*list);
		c->data.len = 2 * sizeof(*list);
		c->data.type = 0x30;
	}
	c->flags = 0x40; /* an SGL, not PRPs */
	c->nsid = 1;
	c->dword[0] = (u32)(k * IN_PAGE);
	c->dword[2] = blocks - 1;
}

/* All blocks of `parts` parts, from or to the player's buffer. */
static int move_buffer(struct player *p, u8 opcode, unsigned int parts)
{
	struct command *c = put(p, &p->io, opcode, addr_of(p, BUFFER), (u32)(parts * PAGE_SIZE));

	c->flags = 0x40;
	c->nsid = 1;
	c->dword[2] = (u32)(parts * IN_PAGE - 1);
	return complete(p, &p->io, 1);
}

/* Bytes of part k of the access, which begins at *from. */
static u32 part_size(dma_addr_t addr, size_t n, size_t from)
{
	u64 left = PAGE_SIZE - ((addr + from) & (PAGE_SIZE - 1));

	return (u32)(n - from < left ? n - from : left);
}

/* At most PARTS parts from byte *done on, to or from buf. 0, or a status. */
static int move(struct player *p, dma_addr_t addr, u8 *buf, size_t n, bool write, size_t *done)
{
	u32 size[PARTS];
	unsigned int parts = 0;
	size_t at = *done;
	int status = 0;

	for (; parts < PARTS && *done < n; *done += size[parts++])
		size[parts] = part_size(addr, n, *done);
	for (size_t k = 0, from = at; write && k < parts; from += size[k++])
		memcpy(page_at(p, (unsigned int)(BUFFER + k)), buf + from, size[k]);
	if (!write)
		memset(page_at(p, BUFFER), NOTHING, parts * PAGE_SIZE);
	status = move_buffer(p, CMD_WRITE, parts);
	for (size_t k = 0, from = at; k < parts; from += size[k++])
		put_part(p, write ? CMD_READ : CMD_WRITE, (unsigned int)k, addr + from, size[k]);
	if (!status)
		status = complete(p, &p->io, (int)parts);
	if (!write && !status)
		status = move_buffer(p, CMD_READ, parts);
	for (size_t k = 0, from = at; !write && k < parts; from += size[k++])
		memcpy(buf + from, page_at(p, (unsigned int)(BUFFER + k)), size[k]);
	return status;
}

/* The whole access. 0; -EFAULT: the IOMMU or the controller reports a refusal. */
static int move_all(struct player *p, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	u64 before = faults_seen(p);
	int status = 0;

	for (size_t done = 0; !status && done < n;)
		status = move(p, addr, buf, n, write, &done);
	return status || faults_seen(p) != before ? -EFAULT : 0;
}

/* Pages that are mapped so that each needs a cache entry. */
static bool take_push_pages(struct player *p)
{
	u64 at = PUSH_AT;

	if (p->push_addr)
		return true;
	if (p->dev->identity_mapped) {
		u64 page =
			domain_iova_alloc(p->dev->domain, PUSH + 2, p->dev->dma_last >> PAGE_BITS);

		if (!page)
			return false;
		at = (page + 1) << PAGE_BITS;
	}
	for (u64 i = 0; i < PUSH; i++)
		if (map_behind(p, at + i * PAGE_SIZE, page_at(p, SCRATCH), PAGE_SIZE))
			return false;
	p->push_addr = at + p->dev->bus_offset;
	return true;
}

/* Evicts all translations that QEMU's VT-d has cached. */
static void push_out(struct player *p)
{
	struct sgl *list = (struct sgl *)page_at(p, PUSH_LIST);
	u32 bytes = PUSH_HALF * 4;

	if (!take_push_pages(p)) {
		printf("# nothing to push translations out with: %s\n", dmamap_strerror());
		return;
	}
	for (u64 half = 0; half < 2; half++) {
		struct command *c = put(p, &p->io, CMD_WRITE, addr_of(p, PUSH_LIST),
					(u32)(PUSH_HALF * sizeof(*list)));

		for (u64 i = 0; i < PUSH_HALF; i++)
			list[i] = (struct sgl){.addr = p->push_addr +
						       (half * PUSH_HALF + i) * PAGE_SIZE,
					       .len = 4};
		c->data.type = 0x30;
		c->flags = 0x40;
		c->nsid = 1;
		c->dword[2] = bytes / BLOCK - 1;
		complete(p, &p->io, 1);
	}
}

/* A page of the access was read as zeros, or was not read. */
static bool has_empty_page(dma_addr_t addr, const u8 *buf, size_t n)
{
	for (size_t at = 0, part; at < n; at += part) {
		size_t i = at;

		part = part_size(addr, n, at);
		while (i < at + part && buf[i] == buf[at] && (!buf[i] || buf[i] == NOTHING))
			i++;
		if (i == at + part)
			return true;
	}
	return false;
}

/*
 * An access without a recorded fault may have been refused nevertheless: see the comment at the
 * top.
 */
static bool in_doubt(struct player *p, dma_addr_t addr, const u8 *buf, size_t n, bool write)
{
	u8 *seen;
	bool same;

	if (!p->dev->iommu)
		return false;
	if (!write)
		return has_empty_page(addr, buf, n);
	seen = malloc(n);
	if (!seen)
		return true;
	same = !move_all(p, addr, seen, n, false) && memcmp(seen, buf, n) == 0;
	free(seen);
	return !same;
}

static int play(struct device *dev, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	struct player *p = player_of(dev);
	cpu_set_t cpus;
	int err;

	pthread_mutex_lock(&p->lock);
	iommu_faults_begin(&cpus);
	err = move_all(p, addr, buf, n, write);
	if (!err && in_doubt(p, addr, buf, n, write)) {
		push_out(p);
		err = move_all(p, addr, buf, n, write);
	}
	if (err) {
		p->last = (struct dmamap_fault){.addr = addr, .len = n, .write = write};
		p->refused = true;
	}
	iommu_faults_end(&cpus);
	pthread_mutex_unlock(&p->lock);
	return err;
}

int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n)
{
	u8 *seen;
	int err;

	if (!dev || !player_of(dev))
		return dmamap_bus_read(dev, addr, buf, n);
	seen = malloc(n);
	err = seen ? play(dev, addr, seen, n, false) : -ENOMEM;
	if (!err)
		memcpy(buf, seen, n);
	free(seen);
	return err;
}

int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n)
{
	if (!dev || !player_of(dev))
		return dmamap_bus_write(dev, addr, buf, n);
	return play(dev, addr, (u8 *)(uintptr_t)buf, n, true);
}

int player_fault_next(struct device *dev, struct dmamap_fault *f)
{
	struct player *p = dev ? player_of(dev) : NULL;
	struct dmamap_fault dropped;
	int n;

	if (!p || !f)
		return dmamap_bus_fault_next(dev, f);
	n = p->refused;
	if (n)
		*f = p->last;
	p->refused = false;
	/*
	 * one refused access may have caused many faults; if there are records, their reason
	 * applies
	 */
	while (dmamap_bus_fault_next(dev, &dropped) == 1)
		f->reason = dropped.reason;
	return n;
}
