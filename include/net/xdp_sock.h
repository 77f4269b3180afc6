/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP sockets, as a program that plays the kernel's part sees them: UMEM, rings, binding to a
 * queue of a device, delivery of received buffers, statistics. Structures, flags and ring layouts
 * are those of the system's <linux/if_xdp.h>; what an older one lacks is defined here.
 * Linux: Documentation/networking/af_xdp.rst.
 *
 * Control calls (everything here but xsk_rcv() and xsk_flush()) may be made from any thread at any
 * time. xsk_rcv() and xsk_flush() of one queue belong to one thread at a time in zero-copy mode,
 * and may be called from any thread in copy mode.
 *
 * The other side of the rings may be hostile: nothing in them is believed without a check, and
 * whatever stands there, no access leaves the UMEM and no loop is endless.
 */
#ifndef DMAMAP_NET_XDP_SOCK_H
#define DMAMAP_NET_XDP_SOCK_H

#include <dmamap/types.h>
#include <linux/err.h>

/*
 * An <linux/if_xdp.h> from before Linux 6.8 has no tx_metadata_len in struct xdp_umem_reg. It is
 * given one here unless the program included that header first; see xdp_umem_reg_set_metadata().
 */
#include <linux/version.h>
#if LINUX_VERSION_CODE < 0x060800 && !defined(_LINUX_IF_XDP_H)
#define xdp_umem_reg xdp_umem_reg_of_the_system
#include <linux/if_xdp.h>
#undef xdp_umem_reg
struct xdp_umem_reg {
	__u64 addr;	       /* where the UMEM begins; page-aligned */
	__u64 len;	       /* bytes */
	__u32 chunk_size;      /* 2048 to the page size */
	__u32 headroom;	       /* bytes kept free before the 256 of XDP_PACKET_HEADROOM */
	__u32 flags;	       /* XDP_UMEM_* */
	__u32 tx_metadata_len; /* with XDP_UMEM_TX_METADATA_LEN: a multiple of 8 below 256 */
};
#else
#include <linux/if_xdp.h>
#endif

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* bind flag: packets may span several buffers */
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0) /* descriptor option: the packet goes on in the next descriptor */
#endif
#ifndef XDP_TX_METADATA
#define XDP_TX_METADATA (1 << 1) /* descriptor option: metadata stands before the packet */
#endif
#ifndef XDP_UMEM_TX_SW_CSUM
#define XDP_UMEM_TX_SW_CSUM (1 << 1)
#endif
#ifndef XDP_UMEM_TX_METADATA_LEN
#define XDP_UMEM_TX_METADATA_LEN (1 << 2)
#endif

#ifndef XDP_TXMD_FLAGS_TIMESTAMP
#define XDP_TXMD_FLAGS_TIMESTAMP (1 << 0)
#define XDP_TXMD_FLAGS_CHECKSUM	 (1 << 1)

struct xsk_tx_metadata_request {
	__u16 csum_start;  /* from the packet's beginning */
	__u16 csum_offset; /* from csum_start: where the sum goes */
	__u64 launch_time;
};

struct xsk_tx_metadata_completion {
	__u64 tx_timestamp;
};

/* What an application asks for a packet, in the tx_metadata_len bytes before it. */
struct xsk_tx_metadata {
	__u64 flags; /* XDP_TXMD_FLAGS_* */
	union {
		struct xsk_tx_metadata_request request;
		struct xsk_tx_metadata_completion completion;
	};
};
#endif
#ifndef XDP_TXMD_FLAGS_LAUNCH_TIME
#define XDP_TXMD_FLAGS_LAUNCH_TIME (1 << 2)
#endif

DMAMAP_BEGIN

#define XDP_PACKET_HEADROOM 256 /* before each received packet, besides the UMEM's headroom */

#define XDP_UMEM_MIN_CHUNK_SHIFT 11
#define XDP_UMEM_MIN_CHUNK_SIZE	 (1 << XDP_UMEM_MIN_CHUNK_SHIFT)

/* What a wakeup asks the driver to do. */
#define XDP_WAKEUP_RX (1 << 0)
#define XDP_WAKEUP_TX (1 << 1)

/* Bits of xdp_buff.flags. */
#define XDP_FLAGS_HAS_FRAGS (1U << 0)  /* the packet goes on in other buffers */
#define XDP_FLAGS_IS_FRAG   (1U << 31) /* it is one of those others */
#define XDP_FLAGS_GONE	    (1U << 30) /* nobody holds the buffer: it was freed or given away */
#define XDP_FLAGS_TRACKED   (1U << 29) /* the checker is told when it is */
#define XDP_FLAGS_CUT	    (1U << 28) /* a fragment of the packet was freed separately */
/* Bits that the library owns; the other bits are the driver's. */
#define XDP_FLAGS_LIBRARY                                                                          \
	(XDP_FLAGS_HAS_FRAGS | XDP_FLAGS_IS_FRAG | XDP_FLAGS_GONE | XDP_FLAGS_TRACKED |            \
	 XDP_FLAGS_CUT)

#define XDP_QUEUES 64 /* of each device; sockets bind to queue 0 to 63 */

struct xdp_umem;
struct xdp_sock;
struct xsk_buff_pool;

/* The queue that buffers come from, as a driver tells it by xsk_pool_set_rxq_info(). */
struct xdp_rxq_info {
	struct device *dev;
	u32 queue_index;
	u32 frag_size;
};

/* A packet in memory: hard_start <= meta <= data <= end. */
struct xdp_buff {
	void *data;	       /* the packet's first byte */
	void *data_end;	       /* past its last */
	void *data_meta;       /* metadata stands from here to data */
	void *data_hard_start; /* headroom begins here */
	struct xdp_rxq_info *rxq;
	u32 frame_sz; /* bytes from data_hard_start to the end of the buffer */
	u32 flags;    /* XDP_FLAGS_*; 0 in a fresh buffer */
};

/* What a driver gives to xdp_register_driver(). Each may be NULL. */
struct xdp_driver_ops {
	/*
	 * Zero-copy for a queue: on with a pool (map it by xsk_pool_dma_map()), off with NULL. When
	 * off returns, the driver uses the pool and its buffers no more. 0, or -errno: bind then
	 * falls back to copying, or fails with this code under XDP_ZEROCOPY. No zero-copy when
	 * NULL.
	 */
	int (*setup_pool)(struct device *dev, struct xsk_buff_pool *pool, u16 queue);
	/* Work waits in the rings of a queue: XDP_WAKEUP_RX, XDP_WAKEUP_TX. 0, -errno. */
	int (*wakeup)(struct device *dev, u32 queue, u32 flags);
	/*
	 * Copy mode: sends one packet, which is the driver's only during the call. 0; -EBUSY: no
	 * room now, it stays first in its ring; anything else: dropped. NULL: the driver takes
	 * packets itself, by xsk_tx_peek_desc() on the queue's pool.
	 */
	int (*xmit)(struct device *dev, u32 queue, const void *packet, u32 len);
	u32 xdp_zc_max_segs; /* buffers a packet may span in zero-copy; 0 and 1: XDP_USE_SG is
				refused */
};

/*
 * Registers memory for packets. Nothing of it is touched. ERR_PTR:
 *   -EINVAL  chunk size not 2048 to a page, or no power of two (aligned); unknown flags; address
 *            not page-aligned; the range wraps, has no chunk, no whole number of chunks (aligned),
 *            or 2^32 of them or more; headroom of chunk_size - 256 or more; bad tx_metadata_len
 *   -EFAULT  no memory that can be written stands at its beginning; -ENOMEM: not up to its end
 *   -ENOMEM
 */
DMAMAP_API struct xdp_umem *xdp_umem_create(const struct xdp_umem_reg *reg);

/* Gives up the reference that create gave. Freed when the last socket and pool are gone, too. */
DMAMAP_API void xdp_umem_put(struct xdp_umem *umem);

/* NULL, errno ENOMEM. */
DMAMAP_API struct xdp_sock *xdp_sock_create(void);

/*
 * Makes a ring: XDP_RX_RING, XDP_TX_RING, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING. 0;
 * -EINVAL: 0 entries, not a power of two, or the ring exists already; -EBUSY: the socket is bound;
 * -ENOPROTOOPT: no such option; -ENOMEM.
 */
DMAMAP_API int xdp_sock_set_ring(struct xdp_sock *xs, int optname, u32 entries);

/*
 * Removes a ring and its shared memory, so that it can be made again in another size. 0; -EINVAL:
 * the socket has no such ring; -EBUSY: it is bound, or was; -ENOPROTOOPT: no such option.
 */
DMAMAP_API int xdp_sock_drop_ring(struct xdp_sock *xs, int optname);

/*
 * Binds a socket to a queue of a device. Takes its own reference on the UMEM. With XDP_SHARED_UMEM
 * `umem` is NULL and `shared` names a socket bound before; other flags than that one are then taken
 * from it. 0, or
 *   -EINVAL      unknown or contradictory flags; no RX or TX ring; no UMEM; fill or completion
 *                ring missing, or one too many for a shared queue; queue above 63
 *   -EBUSY       bound already; the queue has another pool
 *   -ENODEV      no device
 *   -EBADF       `shared` is not bound
 *   -EOPNOTSUPP  XDP_ZEROCOPY, or XDP_USE_SG with zero-copy, and the driver cannot
 *   -ENETDOWN    the device is closing
 *   -ENOMEM      and what the driver's setup_pool says, under XDP_ZEROCOPY
 */
DMAMAP_API int xdp_sock_bind(struct xdp_sock *xs, struct xdp_umem *umem, struct device *dev,
			     u32 queue_id, u16 flags, struct xdp_sock *shared);

/*
 * The shared memory of a ring and the offsets of its parts in it. Stays mapped until
 * xdp_sock_destroy() (of the pool's last socket, for fill and completion ring). NULL, errno EINVAL:
 * no such ring.
 */
DMAMAP_API void *xdp_sock_map_ring(struct xdp_sock *xs, int optname, struct xdp_ring_offset *off,
				   size_t *len);

/* 0; -EINVAL. */
DMAMAP_API int xdp_sock_stats(struct xdp_sock *xs, struct xdp_statistics *stats);

/* XDP_OPTIONS_ZEROCOPY when bound so; -EINVAL. */
DMAMAP_API int xdp_sock_options(struct xdp_sock *xs, struct xdp_options *options);

/*
 * Unbinds and frees, in any state; the last socket of a pool takes the driver off the queue first.
 * The device may be closed before or after. NULL is fine.
 */
DMAMAP_API void xdp_sock_destroy(struct xdp_sock *xs);

/*
 * What sendto(), recvfrom() and poll() on the socket do: XDP_WAKEUP_TX, XDP_WAKEUP_RX, or both. In
 * zero-copy mode calls the driver, in copy mode sends what waits (at most 32 packets a call). 0;
 * -ENXIO: not bound; -ENETDOWN: the device was closed; -ENOBUFS: no TX, or RX, ring; -EAGAIN:
 * more waits; or what the driver says.
 */
DMAMAP_API int xdp_sock_wakeup(struct xdp_sock *xs, u32 flags);

/* POLLIN: RX has descriptors; POLLOUT: TX has room; POLLERR: the device was closed. */
DMAMAP_API short xdp_sock_poll(struct xdp_sock *xs);

/*
 * Calls `ready` whenever RX got descriptors (XDP_WAKEUP_RX) or TX got room (XDP_WAKEUP_TX), in the
 * thread that brought it about; it must not block and may call xdp_sock_poll() only. NULL: none.
 * After this returns, a former `ready` runs no more.
 */
DMAMAP_API void xdp_sock_on_ready(struct xdp_sock *xs,
				  void (*ready)(struct xdp_sock *xs, u32 what, void *arg),
				  void *arg);

/*
 * A filled buffer to its socket's RX ring; the application sees it after xsk_flush(). A buffer of
 * the queue's pool goes as it is, and is the application's from then on; any other is copied into
 * one of the fill ring, and stays the caller's. 0, or, the buffer then being the caller's still,
 *   -EINVAL   no socket on that queue, or it wants none; not a live buffer; a fragment by itself;
 *             a packet of which a fragment was freed
 *   -ENOBUFS  the RX ring is full (counted: rx_ring_full)
 *   -ENOSPC   longer than the chunks hold, without XDP_USE_SG (counted: rx_dropped)
 *   -ENOMEM   the fill ring is empty (counted: rx_dropped)
 */
DMAMAP_API int xsk_rcv(struct device *dev, u16 queue_id, struct xdp_buff *xdp);

/* Shows the application all that xsk_rcv() put into the RX rings of the queue. */
DMAMAP_API void xsk_flush(struct device *dev, u16 queue_id);

/* The pool bound to a queue, zero-copy or not; NULL: none. */
DMAMAP_API struct xsk_buff_pool *xsk_get_pool_from_qid(struct device *dev, u16 queue_id);

/*
 * Tells who serves the device; `ops` must live as long. NULL: nobody any more; every queue that is
 * in zero-copy use is taken from the driver first (setup_pool with NULL), and its sockets are as if
 * the device was closed. 0; -EBUSY: another driver is registered; -EINVAL; -ENOMEM.
 */
DMAMAP_API int xdp_register_driver(struct device *dev, const struct xdp_driver_ops *ops);

/*
 * Which of the sockets bound to a queue gets a packet: `fn` returns one of them, or NULL to drop
 * it (xsk_rcv() is then -EINVAL). NULL: the first bound. It runs in the thread of xsk_rcv(). 0;
 * -EINVAL; -ENOMEM.
 */
DMAMAP_API int xdp_set_steering(struct device *dev,
				struct xdp_sock *(*fn)(struct device *dev, u16 queue_id,
						       struct xdp_buff *xdp, void *arg),
				void *arg);

static inline bool xdp_buff_has_frags(const struct xdp_buff *xdp)
{
	return (xdp->flags & XDP_FLAGS_HAS_FRAGS) != 0;
}

/* Makes a buffer of plain memory: what a driver in copy mode receives into. */
static inline void xdp_init_buff(struct xdp_buff *xdp, u32 frame_sz, struct xdp_rxq_info *rxq)
{
	xdp->frame_sz = frame_sz;
	xdp->rxq = rxq;
	xdp->flags = 0;
}

static inline void xdp_prepare_buff(struct xdp_buff *xdp, unsigned char *hard_start, int headroom,
				    int data_len, const bool meta_valid)
{
	unsigned char *data = hard_start + headroom;

	xdp->data_hard_start = hard_start;
	xdp->data = data;
	xdp->data_end = data + data_len;
	xdp->data_meta = meta_valid ? data : data + 1;
}

/* tx_metadata_len of a registration, whichever <linux/if_xdp.h> the program saw; sets the flag. */
static inline void xdp_umem_reg_set_metadata(struct xdp_umem_reg *reg, u32 len)
{
	reg->flags |= XDP_UMEM_TX_METADATA_LEN;
	__builtin_memcpy((char *)reg + 28, &len, sizeof(len));
}

DMAMAP_END

#endif
