/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TX metadata: what an application requests for a packet, and how a driver handles it. This is a
 * part of <net/xdp_sock_drv.h>, which includes it.
 */
#ifndef DMAMAP_XSK_METADATA_H
#define DMAMAP_XSK_METADATA_H

#include <net/xdp_sock_drv.h>

DMAMAP_BEGIN

/*
 * struct xsk_tx_metadata as of Linux 6.13. Older headers of the system lack the launch time, which
 * follows the two fields of the checksum.
 */
struct xsk_tx_launch {
	__u64 flags;
	__u16 csum_start, csum_offset;
	__u64 launch_time;
};

#define XDP_TXMD_FLAGS_VALID                                                                       \
	(XDP_TXMD_FLAGS_TIMESTAMP | XDP_TXMD_FLAGS_CHECKSUM | XDP_TXMD_FLAGS_LAUNCH_TIME)

/**
 * xsk_buff_valid_tx_metadata() - Check the flags of TX metadata.
 * @meta: the metadata.
 * Return: true if no unknown flag is set.
 */
static inline bool xsk_buff_valid_tx_metadata(const struct xsk_tx_metadata *meta)
{
	return !(*(const volatile __u64 *)&meta->flags & ~(__u64)XDP_TXMD_FLAGS_VALID);
}

/**
 * xsk_buff_get_metadata() - Return the TX metadata of a packet.
 * @pool: the pool.
 * @addr: the address in a TX descriptor.
 * Return: the metadata. NULL: the UMEM has none, it is not aligned to 8 bytes, or it has an
 *   unknown flag.
 */
static inline struct xsk_tx_metadata *xsk_buff_get_metadata(struct xsk_buff_pool *pool, u64 addr)
{
	char *data = (char *)xp_raw_get_data(pool, addr);
	struct xsk_tx_metadata *meta;

	if (!pool->tx_metadata_len || !data || data - pool->addrs < pool->tx_metadata_len)
		return NULL;
	data -= pool->tx_metadata_len;
	if ((uintptr_t)data & 7)
		return NULL;
	meta = (struct xsk_tx_metadata *)(void *)data;
	return xsk_buff_valid_tx_metadata(meta) ? meta : NULL;
}

/* The functions of a driver for TX metadata. NULL: the card lacks the feature. */
struct xsk_tx_metadata_ops {
	void (*tmo_request_timestamp)(void *priv);
	u64 (*tmo_fill_timestamp)(void *priv); /* when the packet was sent, for its completion */
	void (*tmo_request_checksum)(u16 csum_start, u16 csum_offset, void *priv);
	void (*tmo_request_launch_time)(u64 launch_time, void *priv);
};

/* Where the completion of a packet stores its time; NULL: it was not requested. */
struct xsk_tx_metadata_compl {
	__u64 *tx_timestamp;
};

/**
 * xsk_tx_metadata_request() - Call the driver's functions for the requests of a packet.
 * @meta: the metadata of the packet; NULL has no effect.
 * @ops: the functions of the driver.
 * @priv: the argument of these functions.
 */
static inline void xsk_tx_metadata_request(const struct xsk_tx_metadata *meta,
					   const struct xsk_tx_metadata_ops *ops, void *priv)
{
	__u64 flags;

	if (!meta || !ops)
		return;
	/* the application may change the flags at any time, so they are read once */
	flags = *(const volatile __u64 *)&meta->flags;
	if (ops->tmo_request_launch_time && (flags & XDP_TXMD_FLAGS_LAUNCH_TIME))
		ops->tmo_request_launch_time(
			((const struct xsk_tx_launch *)(const void *)meta)->launch_time, priv);
	if (ops->tmo_request_timestamp && (flags & XDP_TXMD_FLAGS_TIMESTAMP))
		ops->tmo_request_timestamp(priv);
	if (ops->tmo_request_checksum && (flags & XDP_TXMD_FLAGS_CHECKSUM))
		ops->tmo_request_checksum(meta->request.csum_start, meta->request.csum_offset,
					  priv);
}

/**
 * xsk_tx_metadata_to_compl() - Prepare the completion of a packet that requests its time.
 * @meta: the metadata of the packet, or NULL.
 * @completion: receives the address at which the time is stored; the address is NULL if no time was
 *   requested.
 */
static inline void xsk_tx_metadata_to_compl(struct xsk_tx_metadata *meta,
					    struct xsk_tx_metadata_compl *completion)
{
	completion->tx_timestamp = NULL;
	if (meta && (*(const volatile __u64 *)&meta->flags & XDP_TXMD_FLAGS_TIMESTAMP))
		completion->tx_timestamp = &meta->completion.tx_timestamp;
}

/**
 * xsk_tx_metadata_complete() - Store the time at which a packet was sent, if it was requested.
 * @completion: the result of xsk_tx_metadata_to_compl().
 * @ops: the functions of the driver.
 * @priv: the argument of these functions.
 */
static inline void xsk_tx_metadata_complete(struct xsk_tx_metadata_compl *completion,
					    const struct xsk_tx_metadata_ops *ops, void *priv)
{
	if (!completion || !completion->tx_timestamp || !ops || !ops->tmo_fill_timestamp)
		return;
	*completion->tx_timestamp = ops->tmo_fill_timestamp(priv);
}

DMAMAP_END

#endif
