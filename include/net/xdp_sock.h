/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP sockets for a program that implements the kernel's part: UMEM, rings, binding to a queue
 * of a device, delivery of received buffers, statistics. Structures, flags and ring layouts are
 * those of the system's <linux/if_xdp.h>; what an older version lacks is defined here. Linux:
 * Documentation/networking/af_xdp.rst.
 *
 * Context: any thread may make control calls (everything here except xsk_rcv() and xsk_flush()) at
 *   any time. In zero-copy mode only one thread at a time may call xsk_rcv() and xsk_flush() for a
 *   queue; in copy mode any thread may.
 *
 * The other side of the rings may be hostile: every value in them is checked before use. Whatever
 * the values are, no access leaves the UMEM and every loop is bounded.
 */
#ifndef DMAMAP_NET_XDP_SOCK_H
#define DMAMAP_NET_XDP_SOCK_H

#include <dmamap/types.h>
#include <linux/err.h>

/*
 * <linux/if_xdp.h> before Linux 6.8 has no tx_metadata_len in struct xdp_umem_reg. The field is
 * added here unless the program included that header before; see xdp_umem_reg_set_metadata().
 */
#include <linux/version.h>
#if LINUX_VERSION_CODE < 0x060800 && !defined(_LINUX_IF_XDP_H)
#define xdp_umem_reg xdp_umem_reg_of_the_system
#include <linux/if_xdp.h>
#undef xdp_umem_reg
struct xdp_umem_reg {
	__u64 addr;	       /* first byte of the UMEM; page-aligned */
	__u64 len;	       /* bytes */
	__u32 chunk_size;      /* 2048 to the page size */
	__u32 headroom;	       /* bytes reserved before the 256 of XDP_PACKET_HEADROOM */
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
#define XDP_PKT_CONTD (1 << 0) /* descriptor option: the next descriptor continues the packet */
#endif
#ifndef XDP_TX_METADATA
#define XDP_TX_METADATA (1 << 1) /* descriptor option: metadata precedes the packet */
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
	__u16 csum_offset; /* of the checksum field, from csum_start */
	__u64 launch_time;
};

struct xsk_tx_metadata_completion {
	__u64 tx_timestamp;
};

/* What an application requests for a packet, in the tx_metadata_len bytes before it. */
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

/*
 * Bytes at the end of a chunk where Linux stores the list of a packet's buffers (on 64-bit systems
 * with cache lines of 64 bytes). Nothing is stored there here, but the limits are the same.
 */
#define XSK_TAILROOM	320
#define XSK_FRAME_ALIGN 128 /* the longest packet of a buffer is a multiple; also its minimum */

/* Ethernet header, two VLAN tags and checksum: what a frame has besides the MTU */
#define XSK_FRAME_EXTRA 26
#define XSK_MTU_DEFAULT 1500

#define XDP_UMEM_MIN_CHUNK_SHIFT 11
#define XDP_UMEM_MIN_CHUNK_SIZE	 (1 << XDP_UMEM_MIN_CHUNK_SHIFT)

/* What a wakeup requests of the driver. */
#define XDP_WAKEUP_RX (1 << 0)
#define XDP_WAKEUP_TX (1 << 1)

/* Bits of xdp_buff.flags. */
#define XDP_FLAGS_HAS_FRAGS (1U << 0)  /* the packet continues in other buffers */
#define XDP_FLAGS_IS_FRAG   (1U << 31) /* the buffer is a fragment: not the packet's first buffer */
#define XDP_FLAGS_GONE	    (1U << 30) /* the buffer was freed or passed on */
#define XDP_FLAGS_TRACKED   (1U << 29) /* freeing or passing on is reported to the checker */
#define XDP_FLAGS_CUT	    (1U << 28) /* a fragment of the packet was freed by itself */
/* Bits that the library sets and clears. A driver may use the other bits. */
#define XDP_FLAGS_LIBRARY                                                                          \
	(XDP_FLAGS_HAS_FRAGS | XDP_FLAGS_IS_FRAG | XDP_FLAGS_GONE | XDP_FLAGS_TRACKED |            \
	 XDP_FLAGS_CUT)

#define XDP_QUEUES 64 /* of each device; sockets bind to queue 0 to 63 */

struct xdp_umem;
struct xdp_sock;
struct xsk_buff_pool;

/* The queue that buffers come from; a driver sets it by xsk_pool_set_rxq_info(). */
struct xdp_rxq_info {
	struct device *dev;
	u32 queue_index;
	u32 frag_size;
};

/* A packet in memory: hard_start <= meta <= data <= end. */
struct xdp_buff {
	void *data;	       /* the packet's first byte */
	void *data_end;	       /* the byte after its last */
	void *data_meta;       /* beginning of the metadata, which ends at data */
	void *data_hard_start; /* beginning of the headroom */
	struct xdp_rxq_info *rxq;
	u32 frame_sz; /* bytes from data_hard_start to the end of the buffer */
	u32 flags;    /* XDP_FLAGS_*; 0 in a fresh buffer */
};

/* The functions that a driver passes to xdp_register_driver(). Each may be NULL. */
struct xdp_driver_ops {
	/*
	 * Switches zero-copy of a queue on with a pool (map it by xsk_pool_dma_map()), off with
	 * NULL. After a switch to off the driver must not use the pool and its buffers. Return: 0,
	 * or -errno: bind then uses copy mode, or fails with this code under XDP_ZEROCOPY. NULL:
	 * the driver has no zero-copy mode.
	 */
	int (*setup_pool)(struct device *dev, struct xsk_buff_pool *pool, u16 queue);
	/* Called for pending work in a queue's rings: XDP_WAKEUP_RX, XDP_WAKEUP_TX. 0, -errno. */
	int (*wakeup)(struct device *dev, u32 queue, u32 flags);
	/*
	 * Sends one packet in copy mode; the packet is valid only during the call. Return: 0.
	 * -EBUSY: no space now, the packet stays first in its ring. Another error: it is dropped.
	 * NULL: the driver takes packets by xsk_tx_peek_desc() on the queue's pool.
	 */
	int (*xmit)(struct device *dev, u32 queue, const void *packet, u32 len);
	u32 xdp_zc_max_segs; /* buffers a packet may span in zero-copy; 0 and 1: XDP_USE_SG is
				refused */
	u32 queues;	     /* that the device has; 0: XDP_QUEUES */
};

/**
 * xdp_umem_create() - Register memory for packets.
 * @reg: the memory and its chunks.
 * Return: the UMEM, or ERR_PTR; a retry helps only for missing memory:
 *   -EINVAL  the chunk size is not 2048 to a page, or no power of two (aligned); unknown flags; the
 *            address is not page-aligned; the range wraps, has no chunk, no whole number of chunks
 *            (aligned), or 2^32 of them or more; the headroom leaves less than 128 bytes for a
 *            packet besides XDP_PACKET_HEADROOM and XSK_TAILROOM; bad tx_metadata_len
 *   -EFAULT  there is no writable memory at the beginning of the range
 *   -ENOMEM  there is no writable memory up to the end of the range, or no memory is left
 */
DMAMAP_API struct xdp_umem *xdp_umem_create(const struct xdp_umem_reg *reg);

/**
 * xdp_umem_put() - Drop the reference of xdp_umem_create().
 * @umem: the UMEM.
 *
 * The UMEM is freed when this reference and the pools that use the UMEM are gone.
 */
DMAMAP_API void xdp_umem_put(struct xdp_umem *umem);

/**
 * xdp_sock_create() - Create a socket.
 * Return: the socket. NULL with errno ENOMEM: a retry helps after memory was freed.
 */
DMAMAP_API struct xdp_sock *xdp_sock_create(void);

/**
 * xdp_sock_set_ring() - Create a ring.
 * @xs: the socket.
 * @optname: XDP_RX_RING, XDP_TX_RING, XDP_UMEM_FILL_RING or XDP_UMEM_COMPLETION_RING.
 * @entries: the number of entries, a power of two.
 * Return: 0. -EINVAL: bad @entries, or the ring exists. -EBUSY: the socket is bound. -ENOPROTOOPT:
 *   no such option. -ENOMEM: a retry helps.
 */
DMAMAP_API int xdp_sock_set_ring(struct xdp_sock *xs, int optname, u32 entries);

/**
 * xdp_sock_drop_ring() - Free a ring and its shared memory, so that another size can be set.
 * @xs: the socket.
 * @optname: as for xdp_sock_set_ring().
 * Return: 0. -EINVAL: the socket has no such ring. -EBUSY: the socket is or was bound.
 *   -ENOPROTOOPT: no such option.
 */
DMAMAP_API int xdp_sock_drop_ring(struct xdp_sock *xs, int optname);

/**
 * xdp_sock_bind() - Bind a socket to a queue of a device.
 * @xs: the socket.
 * @umem: the UMEM, of which the socket holds its own reference; NULL with XDP_SHARED_UMEM.
 * @dev: the device.
 * @queue_id: the queue, below xdp_driver_ops.queues.
 * @flags: XDP_* bind flags. With XDP_SHARED_UMEM the other flags are those of @shared.
 * @shared: with XDP_SHARED_UMEM, a socket that is bound.
 * Return: 0, or
 *   -EINVAL      unknown or contradictory flags; no RX or TX ring; no UMEM; fill or completion
 *                ring missing, or one too many for a shared queue; a queue that the device does
 *                not have; under XDP_ZEROCOPY a frame of the device's MTU does not fit into one
 *                buffer (XDP_USE_SG: into xdp_driver_ops.xdp_zc_max_segs of them)
 *   -EBUSY       the socket is bound; the queue has another pool
 *   -ENODEV      no device
 *   -EBADF       @shared is not bound; the socket or the UMEM belongs to a parent of the process
 *   -EOPNOTSUPP  XDP_ZEROCOPY, or XDP_USE_SG with zero-copy, and the driver does not support it
 *   -ENETDOWN    the device is closing
 *   -ENOMEM      a retry helps; under XDP_ZEROCOPY also the result of the driver's setup_pool
 */
DMAMAP_API int xdp_sock_bind(struct xdp_sock *xs, struct xdp_umem *umem, struct device *dev,
			     u32 queue_id, u16 flags, struct xdp_sock *shared);

/**
 * xdp_sock_unbind() - Undo xdp_sock_bind().
 * @xs: a socket that is bound, or whose device was closed.
 *
 * The socket can be bound again. Its RX and TX ring stay, with their content. The last socket of a
 * queue also keeps the fill and the completion ring; buffers that the driver had are lost.
 * Return: 0. -ENXIO: the socket is not bound. -EINVAL: no socket.
 */
DMAMAP_API int xdp_sock_unbind(struct xdp_sock *xs);

/**
 * xdp_sock_map_ring() - Return the shared memory of a ring.
 * @xs: the socket.
 * @optname: as for xdp_sock_set_ring().
 * @off: receives the offsets of the ring's parts.
 * @len: receives the number of bytes.
 * Return: the memory, which stays mapped until xdp_sock_destroy() (for the fill and the completion
 *   ring: of the pool's last socket). NULL with errno EINVAL: no such ring.
 */
DMAMAP_API void *xdp_sock_map_ring(struct xdp_sock *xs, int optname, struct xdp_ring_offset *off,
				   size_t *len);

/**
 * xdp_sock_stats() - Read the statistics of a socket.
 * @xs: the socket.
 * @stats: receives the statistics.
 * Return: 0. -EINVAL: an argument is NULL.
 */
DMAMAP_API int xdp_sock_stats(struct xdp_sock *xs, struct xdp_statistics *stats);

/**
 * xdp_sock_options() - Read the options of a socket.
 * @xs: the socket.
 * @options: receives XDP_OPTIONS_ZEROCOPY if the socket is bound in zero-copy mode.
 * Return: 0. -EINVAL: an argument is NULL.
 */
DMAMAP_API int xdp_sock_options(struct xdp_sock *xs, struct xdp_options *options);

/**
 * xdp_sock_destroy() - Unbind and free a socket in any state; NULL has no effect.
 * @xs: the socket, or NULL.
 *
 * The last socket of a pool detaches the driver from the queue first. The device may be closed
 * before or after.
 */
DMAMAP_API void xdp_sock_destroy(struct xdp_sock *xs);

/**
 * xdp_sock_wakeup() - Do what sendto(), recvfrom() and poll() on the socket do.
 * @xs: the socket.
 * @flags: XDP_WAKEUP_TX, XDP_WAKEUP_RX, or both.
 *
 * In zero-copy mode this calls the driver; in copy mode it sends pending packets, at most 32 a
 * call.
 * Return: 0. -ENXIO: the socket is not bound. -ENETDOWN: the device was closed. -ENOBUFS: no TX,
 *   or RX, ring. -EAGAIN: packets are still pending, retry. Otherwise the driver's result.
 */
DMAMAP_API int xdp_sock_wakeup(struct xdp_sock *xs, u32 flags);

/**
 * xdp_sock_poll() - Return the events of a socket.
 * @xs: the socket.
 * Return: POLLIN: the RX ring has descriptors. POLLOUT: the TX ring has space. POLLERR: the device
 *   was closed.
 */
DMAMAP_API short xdp_sock_poll(struct xdp_sock *xs);

/**
 * xdp_sock_on_ready() - Set a function that is called when a socket becomes ready.
 * @xs: the socket.
 * @ready: called when the RX ring received descriptors (XDP_WAKEUP_RX) or the TX ring has space
 *   (XDP_WAKEUP_TX). It runs in the thread that caused this, must not block, and may call only
 *   xdp_sock_poll(). NULL: none.
 * @arg: the last argument of @ready.
 *
 * After this call has returned, the former function does not run any more.
 */
DMAMAP_API void xdp_sock_on_ready(struct xdp_sock *xs,
				  void (*ready)(struct xdp_sock *xs, u32 what, void *arg),
				  void *arg);

/**
 * xsk_rcv() - Put a filled buffer into the RX ring of its socket.
 * @dev: the device.
 * @queue_id: the queue.
 * @xdp: the buffer. A buffer of the queue's pool is passed without a copy and then belongs to the
 *   application. Any other buffer is copied into one of the fill ring and remains the caller's.
 *
 * The application can read the buffer after xsk_flush().
 * Return: 0, or an error; the buffer then remains the caller's:
 *   -EINVAL   no socket on that queue, or the steering function dropped the packet; not a live
 *             buffer; a single fragment; a packet of which a fragment was freed
 *   -ENOBUFS  the RX ring is full (counted: rx_ring_full)
 *   -ENOSPC   longer than the chunks, without XDP_USE_SG (counted: rx_dropped)
 *   -ENOMEM   the fill ring is empty (counted: rx_dropped)
 */
DMAMAP_API int xsk_rcv(struct device *dev, u16 queue_id, struct xdp_buff *xdp);

/**
 * xsk_flush() - Publish what xsk_rcv() put into the RX rings of the queue to the application.
 * @dev: the device.
 * @queue_id: the queue.
 */
DMAMAP_API void xsk_flush(struct device *dev, u16 queue_id);

/**
 * xsk_rcv_space() - Return the number of packets for which the sockets of a queue have space.
 * @dev: the device.
 * @queue_id: the queue.
 * @max: the greatest result.
 *
 * A driver that leaves packets in the card's ring while the result is 0 loses none.
 * Context: the thread that calls xsk_rcv() for the queue.
 * Return: the number, at most @max; @max if no socket receives on the queue.
 */
DMAMAP_API u32 xsk_rcv_space(struct device *dev, u16 queue_id, u32 max);

/**
 * xsk_get_pool_from_qid() - Return the pool that is bound to a queue, in either mode.
 * @dev: the device.
 * @queue_id: the queue.
 * Return: the pool. NULL: no pool is bound to the queue.
 */
DMAMAP_API struct xsk_buff_pool *xsk_get_pool_from_qid(struct device *dev, u16 queue_id);

/**
 * xdp_register_driver() - Register the driver of a device.
 * @dev: the device.
 * @ops: the driver's functions, which must remain valid. NULL: unregister. Then every queue in
 *   zero-copy use is detached from the driver first (setup_pool with NULL), and the state of its
 *   sockets is that of a closed device.
 * Return: 0. -EBUSY: another driver is registered. -EINVAL: no device. -ENOMEM: a retry helps.
 */
DMAMAP_API int xdp_register_driver(struct device *dev, const struct xdp_driver_ops *ops);

/**
 * xdp_set_mtu() - Set the MTU that a bind in zero-copy mode compares with the UMEM's buffers.
 * @dev: the device.
 * @mtu: bytes of a frame without its Ethernet header; XSK_MTU_DEFAULT if it was never set. 0: no
 *   frame is too long. Sockets that are bound stay bound.
 * Context: any thread; not in a callback of a driver.
 * Return: 0. -EINVAL: no device. -ENOMEM: a retry helps.
 */
DMAMAP_API int xdp_set_mtu(struct device *dev, u32 mtu);

/**
 * xdp_set_steering() - Set the function that selects the socket for a packet.
 * @dev: the device.
 * @fn: returns one of the sockets bound to the queue, or NULL to drop the packet (xsk_rcv() then
 *   returns -EINVAL). It runs in the thread of xsk_rcv(). NULL: the first bound socket is used.
 * @arg: the last argument of @fn.
 * Return: 0. -EINVAL: no device. -ENOMEM: a retry helps.
 */
DMAMAP_API int xdp_set_steering(struct device *dev,
				struct xdp_sock *(*fn)(struct device *dev, u16 queue_id,
						       struct xdp_buff *xdp, void *arg),
				void *arg);

/**
 * xdp_buff_has_frags() - Test whether a packet continues in other buffers.
 * @xdp: the first buffer of the packet.
 * Return: true if it does.
 */
static inline bool xdp_buff_has_frags(const struct xdp_buff *xdp)
{
	return (xdp->flags & XDP_FLAGS_HAS_FRAGS) != 0;
}

/**
 * xdp_init_buff() - Initialise a buffer of plain memory, into which a driver in copy mode
 * receives.
 * @xdp: the buffer.
 * @frame_sz: the bytes of the buffer, its headroom included.
 * @rxq: the queue.
 */
static inline void xdp_init_buff(struct xdp_buff *xdp, u32 frame_sz, struct xdp_rxq_info *rxq)
{
	xdp->frame_sz = frame_sz;
	xdp->rxq = rxq;
	xdp->flags = 0;
}

/**
 * xdp_prepare_buff() - Set the positions of a packet in a buffer.
 * @xdp: the buffer.
 * @hard_start: the beginning of the buffer.
 * @headroom: the bytes before the packet.
 * @data_len: the bytes of the packet.
 * @meta_valid: true: the metadata is empty; false: there is no metadata.
 */
static inline void xdp_prepare_buff(struct xdp_buff *xdp, unsigned char *hard_start, int headroom,
				    int data_len, const bool meta_valid)
{
	unsigned char *data = hard_start + headroom;

	xdp->data_hard_start = hard_start;
	xdp->data = data;
	xdp->data_end = data + data_len;
	xdp->data_meta = meta_valid ? data : data + 1;
}

/**
 * xdp_umem_reg_set_metadata() - Set tx_metadata_len and its flag, with any version of
 * <linux/if_xdp.h>.
 * @reg: the registration.
 * @len: the bytes of metadata before each packet.
 */
static inline void xdp_umem_reg_set_metadata(struct xdp_umem_reg *reg, u32 len)
{
	reg->flags |= XDP_UMEM_TX_METADATA_LEN;
	__builtin_memcpy((char *)reg + 28, &len, sizeof(len));
}

DMAMAP_END

#endif
