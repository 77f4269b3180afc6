/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of this folder share. References:
 *
 *   socket ──> pool ──> umem            counted; released by the last user in any order
 *   queue  ──> pool, sockets            of a device; not counted; removed before these are freed
 *   pool   ──> dma map <── umem         one map per (UMEM, device), counted by its pools
 *   device ──> queues, dma maps         freed by dmamap_close(), which removes them first
 *
 * Control calls run under xsk_lock, including the drivers' setup_pool. The data path acquires no
 * lock in zero-copy mode: it runs in sections (xsk/grace.h) that the control path waits for. In
 * copy mode receiving is under queue.rx_lock and sending under pool.tx_lock.
 */
#ifndef XSK_XSK_H
#define XSK_XSK_H

#include "base/error.h"
#include "base/lock.h"
#include "base/math.h"
#include "domain/device.h"
#include "xsk/grace.h"
#include "xsk/ring.h"

#include <net/xdp_sock.h>
#include <net/xdp_sock_drv.h>
#include <net/xsk_buff_pool.h>
#include <pthread.h>

#define COPY_MAX_SEGS (XSK_MAX_FRAGS + 1) /* buffers of a packet in copy mode */
/* in zero-copy mode as well: xdp_zc_max_segs is limited to it */
#define TX_PACKET_MAX COPY_MAX_SEGS

/* A UMEM mapped for one device. All fields except `dev` and the links are constant. */
struct xsk_dma_map {
	struct xsk_dma_map *next;     /* list of the UMEM; under umem.dma_lock */
	struct xsk_dma_map *next_dev; /* list of the device; under xsk_device.maps_lock */
	struct device *dev;	      /* NULL after the device was closed; under umem.dma_lock */
	struct xdp_umem *umem;
	struct xsk_pool *pools; /* pools that use it; under umem.dma_lock */
	u64 pages;
	bool whole; /* mapped as one range; otherwise in runs */
	bool need_sync;
	dma_addr_t base;  /* whole: device address of the first byte */
	dma_addr_t *page; /* otherwise: address of every page, with XSK_NEXT_PG_CONTIG_MASK */
};

struct xdp_umem {
	u32 fork_depth; /* of the process that created it */
	u32 users;	/* atomic: the creator, and the pools */
	char *addrs;
	u64 size;
	u64 npgs;
	u32 chunks, chunk_size, headroom, flags;
	u8 tx_metadata_len;
	struct lock dma_lock;
	struct xsk_dma_map *maps; /* under dma_lock */
};

struct xsk_pool {
	struct xsk_buff_pool pub; /* must be first: the two types are converted by a cast */
	struct xsk_ring *fq, *cq;
	u64 heads_bytes;
	size_t heads_map;

	/* the transmitting side's section, and its list of sockets: written under xsk_lock */
	struct grace tx;
	struct xdp_sock *tx_socks; /* atomic pointers */
	u32 tx_n;
	/* of the sender: the socket that is served, and its remaining packets */
	struct xdp_sock *tx_turn;
	u32 tx_budget;
	struct lock tx_lock; /* copy mode: one sender at a time */
	/*
	 * Held while need_wakeup and the flags of the rings change, and while a socket joins
	 * tx_socks, so that the flags of every TX ring always equal need_wakeup.
	 */
	struct lock flags_lock;
	char *scratch; /* copy mode: a packet of many buffers; under tx_lock */

	/*
	 * Used by the transmitting side: a packet of several descriptors that was consumed from its
	 * TX ring. The driver receives one descriptor at a time. The packet's addresses are in the
	 * completion ring already, so the driver must receive all of them even after the socket was
	 * destroyed. The pool therefore owns the packet.
	 */
	struct xdp_desc packet[TX_PACKET_MAX];
	u32 packet_n, packet_at;

	/* XDP_WAKEUP_* that the driver has requested; atomic, written under flags_lock */
	u32 need_wakeup;
	bool zc, sg, metadata, sw_csum;
	u32 users; /* under xsk_lock */
	/* device of its queue; NULL: not attached. Under xsk_lock */
	struct xsk_device *xd;
	struct xsk_dma_map *map;	   /* under umem.dma_lock */
	struct xsk_pool *map_next;	   /* next pool that uses the map; under umem.dma_lock */
	struct xsk_provenance *provenance; /* of every head, see provenance.c; NULL: not checked */
	u64 busy; /* number of buffers held when the driver unmapped, which was reported */
};

enum sock_state { SOCK_READY, SOCK_BOUND, SOCK_DOWN };

struct xdp_sock {
	/* used by the data path */
	struct xsk_ring *rx, *tx;
	struct xsk_pool *pool;
	struct xdp_sock *rx_next; /* next socket of the queue, in the order of binding; atomic */
	struct xdp_sock *tx_next; /* next socket of the pool; atomic */
	bool sg;
	u32 fork_depth;		 /* of the process that created it */
	u64 rx_dropped, rx_full; /* one writer each */
	void (*ready)(struct xdp_sock *xs, u32 what, void *arg);
	void *ready_arg;
	bool skipping; /* the rest of a refused packet must be skipped when it arrives */

	struct lock wake_lock; /* held while a thread of the application performs a wake-up */

	/* under xsk_lock */
	u32 state; /* atomic: enum sock_state */
	bool zc;
	struct device *dev;
	u32 queue_id;
	struct xsk_ring *fq_tmp, *cq_tmp; /* until the socket has a pool */
};

/* One queue of a device. */
struct xsk_queue {
	struct grace rx cacheline; /* zero-copy: the receiving thread's section */
	bool zc;		   /* atomic */
	struct xsk_pool *pool;	   /* atomic; written under xsk_lock */
	struct xdp_sock *socks;	   /* atomic; written under xsk_lock */
	struct lock rx_lock;	   /* copy mode: one receiver at a time */
};

struct xsk_steering {
	struct xdp_sock *(*fn)(struct device *, u16, struct xdp_buff *, void *);
	void *arg;
};

struct xsk_device {
	struct device *dev;
	const struct xdp_driver_ops *ops;   /* under xsk_lock; NULL: no driver */
	u32 mtu;			    /* under xsk_lock */
	struct xsk_steering *steering;	    /* atomic */
	struct xsk_steering steering_at[2]; /* storage of `steering`, used alternately */
	struct lock maps_lock;
	struct xsk_dma_map *maps; /* under maps_lock */
	struct xsk_queue queue[XDP_QUEUES];
};

extern pthread_mutex_t xsk_lock;

hot_inline struct xsk_pool *pool_of(const struct xsk_buff_pool *pool)
{
	return (struct xsk_pool *)(uintptr_t)pool;
}

hot_inline struct xsk_device *xsk_device(const struct device *dev)
{
	return likely(dev) ? read_acquire(&((struct device *)(uintptr_t)dev)->xsk) : NULL;
}

/*
 * queue.c. Returns the device's record and creates it if needed; NULL with errno ENOMEM or EINVAL.
 */
struct xsk_device *xsk_device_get(struct device *dev);
/* Waits until no receiver is in a queue's section, in either mode. */
void queue_wait(struct xsk_queue *q);

/* umem.c */
void umem_get(struct xdp_umem *umem);

/* dma.c. Implements xp_dma_unmap(); no effect if the pool is not mapped. */
void dma_unmap_pool(struct xsk_pool *p, unsigned long attrs);
/* Called when the device is closed: removes its maps, even if pools still use them. */
void dma_drop_device(struct xsk_device *xd);

/* pool.c; under xsk_lock */
struct xsk_pool *pool_create(struct xdp_sock *xs, struct xdp_umem *umem);
int pool_attach(struct xsk_pool *p, struct device *dev, u32 queue_id, u32 flags);
void pool_detach(struct xsk_pool *p);
u32 pool_mode(const struct xsk_pool *p); /* the bind flags that are in effect */
/* Waits for all senders that were in the pool before the call. */
void pool_wait_tx(struct xsk_pool *p);
void pool_put(struct xsk_pool *p);
void pool_add_sock(struct xsk_pool *p, struct xdp_sock *xs);
void pool_del_sock(struct xsk_pool *p, struct xdp_sock *xs);

/* wakeup.c: sets the initial state, in which the first packet needs a wake-up */
void wakeup_reset(struct xsk_pool *p);

/* sock.c; under xsk_lock: called when its device is closed or its driver unregistered */
void sock_down(struct xdp_sock *xs);

/* provenance.c, for the checker. */
void provenance_begin(struct xsk_pool *p);
void provenance_end(struct xsk_pool *p);
void provenance_record(struct xdp_buff **xdp, u32 n, const void *caller);
/* Called after the driver's setup_pool(NULL): reports the buffers that it still holds. */
void provenance_report_kept(const struct xsk_pool *p);
/* Reports the delivery of a packet of which a fragment was freed. */
void provenance_cut(struct xdp_buff_xsk *x);
/* Reports buffers that the driver holds while it unmaps the UMEM. */
void provenance_report_busy(struct xsk_pool *p, const void *caller);

/* alloc.c: allocates up to `max` buffers. The copy mode calls it under queue.rx_lock. */
u32 pool_alloc(struct xsk_pool *p, struct xdp_buff **out, u32 max);

/* tx.c: returns the next checked descriptor of any of the pool's sockets; in the pool's section */
bool tx_next(struct xsk_pool *p, struct xdp_desc *desc);
/*
 * Consumes the next complete packet of one socket, of at most `limit` descriptors. Returns their
 * number; 0 if there is none.
 */
u32 tx_packet(struct xsk_pool *p, struct xdp_sock *xs, struct xdp_desc *out, u32 limit);

#endif
