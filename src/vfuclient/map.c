/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space. The library's page table is written first; then a request to the server maps
 * each contiguous run of memory. RAM is shared by its file, so the server accesses it directly.
 * Other memory of the process has no file, so the server sends a message for each access, which is
 * checked against the page table at that time (access.c).
 *
 * The record of a piece is made before the request, so an unmap needs no memory. Only a partial
 * unmap needs some, to map the rest of a piece again; if that fails, the rest is unmapped as well.
 */
#include "vfuclient/private.h"
#include "backend/run.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

#include <string.h>

/* Offset of RAM in its file, see struct mem. */
static u64 map_file_offset(phys_t pa)
{
	return pa.v < MEM_DMA32_END ? pa.v : mem.low + (pa.v - MEM_DMA32_END);
}

static bool map_is_ram(phys_t pa, u64 size)
{
	u64 end = pa.v < mem.low ? mem.low : pa.v >= MEM_DMA32_END ? mem.span : 0;

	return pa.v < end && size <= end - pa.v;
}

/* Requests a map of the piece. 0, a positive errno of the server, or -EIO. */
static int map_request(struct vfuclient *c, const struct vfuclient_piece *p)
{
	const struct vfuser_dma_map map = {
		.argsz = sizeof(map),
		.flags = (p->prot & PT_READ ? VFUSER_MAP_READ : 0) |
			 (p->prot & PT_WRITE ? VFUSER_MAP_WRITE : 0),
		.offset = p->message ? 0 : map_file_offset(p->pa),
		.address = p->iova + c->dev->bus_offset,
		.size = p->size,
	};
	const int fd = mem.fd;
	struct vfuclient_call call = {.command = VFUSER_DMA_MAP,
				      .request = &map,
				      .request_size = sizeof(map),
				      .fds = &fd,
				      .n_fds = p->message ? 0 : 1};

	__atomic_fetch_add(&c->maps, 1, __ATOMIC_RELAXED);
	return vfuclient_call(c, &call);
}

/* Callers retry with other addresses on -EEXIST, so an EEXIST of the server is replaced. */
static int vfuclient_map_refused(struct vfuclient *c, const struct vfuclient_piece *p, int err)
{
	return error_set(err == ENOMEM || err == ENOSPC ? err : EREMOTEIO,
			 "%s: the server cannot map %llu bytes at device address %#llx: %s%s",
			 c->dev->name, (unsigned long long)p->size, (unsigned long long)p->iova,
			 strerror(err),
			 p->message ? " (the memory has no file, so the server would have to "
				      "access it by message; use memory of kmalloc() or "
				      "alloc_pages())"
				    : "");
}

static int map_check(struct vfuclient *c, const struct backend_run *r)
{
	if (!(r->pa.v & PHYS_FOREIGN) && !map_is_ram(r->pa, r->size))
		return error_set(EOPNOTSUPP,
				 "device address %#llx: this back end cannot map the registers of "
				 "one device for another",
				 (unsigned long long)r->iova);
	if (read_once(&c->pieces.n) >= c->server.max_dma_maps)
		return error_set(ENOSPC,
				 "%s: the server accepts at most %llu mappings: unmap some, use "
				 "policy=identity, or use fewer and larger segments",
				 c->dev->name, (unsigned long long)c->server.max_dma_maps);
	return 0;
}

/* As long as a piece is accessed by message, the keeper must read the socket. */
static void map_count_message(struct vfuclient *c, bool message)
{
	if (message && !__atomic_fetch_add(&c->by_message, 1, __ATOMIC_ACQ_REL))
		vfuclient_keeper_wake(c);
}

static void map_forget(struct vfuclient *c, struct vfuclient_piece *p)
{
	if (p->message)
		__atomic_fetch_sub(&c->by_message, 1, __ATOMIC_ACQ_REL);
	alloc_free(p);
}

/* Records the run and requests a map of it. 0, or -errno with an error message. */
static int vfuclient_map_run(struct backend_space *b, const struct backend_run *r)
{
	struct vfuclient *c = b->priv;
	struct vfuclient_piece *p;
	int err = map_check(c, r);

	if (err)
		return err;
	p = alloc_zeroed(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct vfuclient_piece){.iova = r->iova,
				      .size = r->size,
				      .pa = r->pa,
				      .prot = r->prot,
				      .message = c->messages || r->pa.v & PHYS_FOREIGN};
	map_count_message(c, p->message);
	err = map_request(c, p);
	if (!err) {
		vfuclient_pieces_add(&c->pieces, p);
		return 0;
	}
	if (err > 0)
		err = vfuclient_map_refused(c, p, err);
	map_forget(c, p);
	return err;
}

/* Whether the reply to an unmap is for this piece. An older server sends no payload. */
static bool unmap_reply_ok(const struct vfuser_dma_unmap *ask, const struct vfuser_dma_unmap *reply,
			   u32 size)
{
	return !size || (size == sizeof(*reply) && reply->address == ask->address &&
			 reply->size == ask->size);
}

static void unmap_piece(struct vfuclient *c, const struct vfuclient_piece *p)
{
	const struct vfuser_dma_unmap ask = {
		.argsz = sizeof(ask), .address = p->iova + c->dev->bus_offset, .size = p->size};
	struct vfuser_dma_unmap reply;
	struct vfuclient_call call = {.command = VFUSER_DMA_UNMAP,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .reply = &reply,
				      .reply_max = sizeof(reply)};
	int err;

	__atomic_fetch_add(&c->unmaps, 1, __ATOMIC_RELAXED);
	err = vfuclient_call(c, &call);
	if (!err && unmap_reply_ok(&ask, &reply, call.reply_size))
		return;
	/* a server that closed the connection has ended; another one may still access the memory */
	if (err < 0 && read_acquire(&c->state) == VFUCLIENT_CLOSED)
		return;
	__atomic_fetch_add(&c->refused, 1, __ATOMIC_RELAXED);
	if (err < 0)
		return;
	error_set(EIO,
		  "%s: the server did not unmap %llu bytes at device address %#llx (%s): the "
		  "device may still reach memory that was unmapped",
		  c->dev->name, (unsigned long long)p->size, (unsigned long long)p->iova,
		  err ? strerror(err) : "a reply about another range");
	log_line(LOG_ERROR, "%s", error_text());
}

/* Unmaps a list of pieces, which remain the caller's. */
static void unmap_pieces(struct vfuclient *c, const struct vfuclient_piece *list)
{
	for (const struct vfuclient_piece *p = list; p; p = p->right)
		unmap_piece(c, p);
	/* a server that has ended made no reply: wait for the access that another thread performs
	 */
	if (vfuclient_is_dead(c))
		vfuclient_fence(c);
}

static void unmap_free(struct vfuclient *c, struct vfuclient_piece *list)
{
	struct vfuclient_piece *next;

	for (; list; list = next) {
		next = list->right;
		map_forget(c, list);
	}
}

static void unmap_range(struct vfuclient *c, u64 iova, u64 end)
{
	struct vfuclient_piece *list = vfuclient_pieces_take(&c->pieces, iova, end);

	unmap_pieces(c, list);
	unmap_free(c, list);
}

static int vfuclient_op_publish(struct backend_space *b, iova_t iova, u64 size)
{
	struct backend_run r = {.iova = iova.v};
	struct vfuclient *c = b->priv;
	u64 end = iova.v + size;
	int err = 0;

	for (; !err && backend_run_find(b->pt, &r, end); r.iova += err ? 0 : r.size)
		err = vfuclient_map_run(b, &r);
	if (err)
		unmap_range(c, iova.v, r.iova);
	return err;
}

static int vfuclient_op_map(struct backend_space *b, iova_t iova, phys_t pa, u64 size, u64 flags)
{
	return backend_run_map(b, iova, pa, size, flags, vfuclient_map_run);
}

static u64 vfuclient_op_unmap(struct backend_space *b, iova_t iova, u64 size)
{
	return pt_unmap(b->pt, iova, size);
}

static void vfuclient_op_invalidate(struct backend_space *b, iova_t iova, u64 size)
{
	unmap_range(b->priv, iova.v, iova.v + size);
}

static void vfuclient_op_invalidate_some(struct backend_space *b, iova_t iova, u64 size, u64 mapped)
{
	unmap_range(b->priv, iova.v, iova.v + size);
}

/* Maps the part [iova, end) of a piece again. */
static void map_rest(struct backend_space *b, const struct vfuclient_piece *p, u64 iova, u64 end)
{
	const struct backend_run r = {.iova = iova,
				      .size = end - iova,
				      .pa = PHYS(p->pa.v + (iova - p->iova)),
				      .prot = p->prot};

	if (!vfuclient_map_run(b, &r))
		return;
	backend_run_drop_rest(b, iova, end);
}

static u64 vfuclient_op_unmap_partial(struct backend_space *b, iova_t iova, u64 size)
{
	u64 end = iova.v + size, gone;
	struct vfuclient *c = b->priv;
	struct vfuclient_piece *list;
	void *unused;

	pthread_mutex_lock(&c->partial_lock);
	list = vfuclient_pieces_take(&c->pieces, iova.v, end);
	gone = pt_unmap(b->pt, iova, size);
	unmap_pieces(c, list);
	unused = pt_limbo_take(b->pt);
	pt_limbo_free(b->pt, unused); /* waits for walks of access.c */
	for (const struct vfuclient_piece *p = list; p; p = p->right) {
		if (p->iova < iova.v)
			map_rest(b, p, p->iova, iova.v);
		if (p->iova + p->size > end)
			map_rest(b, p, end, p->iova + p->size);
	}
	unmap_free(c, list);
	pthread_mutex_unlock(&c->partial_lock);
	return gone;
}

static void vfuclient_op_count(struct backend_space *b, struct backend_counts *out)
{
	struct vfuclient *c = b->priv;
	u64 n = read_once(&c->pieces.n), most = c->server.max_dma_maps;

	*out = (struct backend_counts){read_once(&c->maps), read_once(&c->unmaps),
				       read_once(&c->refused), most > n ? most - n : 0};
}

static void vfuclient_op_clear(struct backend_space *b)
{
	unmap_range(b->priv, 0, ~0ull);
}

const struct iommu_ops iommu_ops_vfuclient = {
	.name = "vfio-user",
	.map = vfuclient_op_map,
	.publish = vfuclient_op_publish,
	.unmap = vfuclient_op_unmap,
	.invalidate = vfuclient_op_invalidate,
	.invalidate_some = vfuclient_op_invalidate_some,
	.unmap_partial = vfuclient_op_unmap_partial,
	.count = vfuclient_op_count,
	.clear = vfuclient_op_clear,
};
