/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and structures of the 82574L, and declarations shared by the files of its driver. */
#ifndef DRIVERS_E1000E_PRIVATE_H
#define DRIVERS_E1000E_PRIVATE_H

#include "drivers/e1000e.h"
#include "drivers/message.h"

#include <dmamap/device.h>
#include <endian.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/xdp_sock_drv.h>
#include <pthread.h>
#include <string.h>

#define PCI_ID 0x10d38086u /* first word of the configuration space */

/* Registers, BAR 0 (datasheet, "Programming Interface"). */
#define REG_CTRL   0x0000
#define REG_STATUS 0x0008
#define REG_EEC	   0x0010
#define REG_ICR	   0x00c0
#define REG_ITR	   0x00c4
#define REG_IMS	   0x00d0
#define REG_IMC	   0x00d8
#define REG_IVAR   0x00e4
#define REG_EITR   0x00e8
#define REG_RCTL   0x0100
#define REG_FCTTV  0x0170
#define REG_TCTL   0x0400
#define REG_TIPG   0x0410
#define REG_FCRTL  0x2160
#define REG_FCRTH  0x2168
#define REG_RDBA   0x2800 /* low half; the high half follows */
#define REG_RDLEN  0x2808
#define REG_RDH	   0x2810
#define REG_RDT	   0x2818
#define REG_RXDCTL 0x2828
#define REG_TDBA   0x3800 /* low half; the high half follows */
#define REG_TDLEN  0x3808
#define REG_TDH	   0x3810
#define REG_TDT	   0x3818
#define REG_TXDCTL 0x3828
#define REG_RFCTL  0x5008
#define REG_MTA	   0x5200
#define REG_RAL	   0x5400
#define REG_RAH	   0x5404

#define CTRL_FD		0x00000001u
#define CTRL_MASTER_OFF 0x00000004u
#define CTRL_SLU	0x00000040u
#define CTRL_RST	0x04000000u
#define CTRL_RFCE	0x08000000u
#define CTRL_TFCE	0x10000000u
#define STATUS_LU	0x00000002u
#define STATUS_MASTER	0x00080000u
#define RCTL_EN		0x00000002u
#define RCTL_UPE	0x00000008u
#define RCTL_MPE	0x00000010u
#define RCTL_LPE	0x00000020u
#define RCTL_BAM	0x00008000u
#define RCTL_BSIZE(n)	((u32)(n) << 16) /* buffers of 2048 >> n bytes */
#define RCTL_SECRC	0x04000000u
#define RCTL_FLXBUF(n)	((u32)(n) << 27) /* buffers of n KiB */
#define TCTL_EN		0x00000002u
#define TCTL_PSP	0x00000008u
#define TCTL_CT		(15u << 4)
#define TCTL_COLD	(63u << 12)
#define TXDCTL_DEFAULT	0x01400000u /* bit 22 must be 1; thresholds count descriptors */
#define RFCTL_EXSTEN	0x00008000u
#define RAH_AV		0x80000000u
#define IVAR_ALL_TO_0	0x00080808u /* RX 0, TX 0 and other causes to vector 0 */

/*
 * Interrupt causes: packet received, few buffers left, packet lost, link change, and the three
 * causes of MSI-X.
 */
#define IRQ_CAUSES                                                                                 \
	(0x00000080u | 0x00000010u | 0x00000040u | 0x00000004u | 0x00000001u | 0x01500000u)

/* Extended receive descriptor as written back, second word: status, errors, length. */
#define RXD_DD	   0x1u
#define RXD_EOP	   0x2u
#define RXD_ERRORS 0x93000000u /* RXE, CXE, SEQ, SE, CE of the upper byte */
#define RXD_LEN(q) ((u32)((q) >> 32) & 0xffff)
/* Legacy transmit descriptor, second word. */
#define TXD_EOP	 (1u << 24)
#define TXD_IFCS (1u << 25)
#define TXD_RS	 (1u << 27)
#define TXD_DD	 (1ull << 32)

#define ALL_ONES     0xffffffffu /* the value that every register of a removed card reads as */
#define RING_DEFAULT 512u
#define RING_MAX     4096u
#define REFILL_BATCH 16u /* least number of receive buffers that are passed to the card at once */
#define TX_BATCH     64u
#define COPY_BUFFER  2048u /* bytes of a page, behind XDP_PACKET_HEADROOM */
#define LINK_POLLS   256u  /* polls between two checks of a link that is up */
#define IDLE_POLLS   4096u /* empty polls between two checks that the card is present */

struct e1000e_desc {
	u64 addr;
	u64 rest;
};

/* One receive buffer: a buffer of the pool, or a mapped page. */
struct e1000e_rx_slot {
	struct xdp_buff *xdp;
	struct page *page;
	dma_addr_t dma;
};

struct e1000e_tx_slot {
	struct page *page; /* copy mode: kept until the driver is removed */
	dma_addr_t dma;	   /* copy mode */
	u32 len;	   /* copy mode: mapped bytes; 0: none */
	u16 last;	   /* first descriptor of a batch: index of the one with RS */
	u32 completes;	   /* XSK descriptors that complete together with this one */
};

/* Lock order: the library's control lock (in setup_pool), rx.lock, tx.lock. */
struct e1000e_rx {
	pthread_mutex_t lock; /* guards the fields below */
	bool on;
	bool full; /* atomic: the socket had no space when it was last examined */
	u32 size, next,
		filled; /* next: receives the next packet; filled: buffers that the card owns */
	u32 tail;	/* next + filled */
	u32 buffer;	/* bytes of a buffer, as programmed into the card */
	u32 rctl;	/* RCTL bits that encode the buffer size */
	struct e1000e_desc *ring; /* coherent memory */
	dma_addr_t ring_dma;
	struct e1000e_rx_slot *slot;
	struct xdp_buff **batch; /* for a refill: as many entries as the ring */
	struct xdp_buff *first;	 /* zero-copy: first buffer of the packet that is being assembled */
	bool dropping;		 /* until the end of that packet */
	u8 *gather;		 /* copy mode: packet that is being assembled, max_frame bytes */
	u32 gathered;
	struct xdp_rxq_info rxq;
	u64 packets, bytes, refused, errors, too_long, map_failed;
} __attribute__((aligned(64)));

struct e1000e_tx {
	pthread_mutex_t lock; /* guards the fields below */
	bool on;
	u32 size, next, clean; /* the card owns [clean, next) */
	struct e1000e_desc *ring;
	dma_addr_t ring_dma;
	struct e1000e_tx_slot *slot;
	u64 packets, bytes, map_failed, too_long;
} __attribute__((aligned(64)));

struct e1000e {
	struct device *dev;
	struct e1000e_options options;
	struct e1000e_rx rx;
	struct e1000e_tx tx;
	u8 mac[6];
	int irq_fd, kick_fd;	    /* kick: a socket wakes the driver */
	struct xsk_buff_pool *pool; /* zero-copy; changes with both locks held */
	bool eager;		    /* atomic: zero-copy, and the socket does not wake the driver */
	bool link;		    /* atomic */
	bool gone;		    /* atomic: its registers read all ones */
	bool started;		    /* under both locks */
	u32 polls, idle;	    /* used by the polling thread only */
	pthread_t server;	    /* e1000e_serve(): valid while `serving` */
	bool serving, busy;
	bool end; /* atomic: the thread must end */
	pthread_mutex_t stat_lock;
	struct e1000e_stats card; /* under stat_lock: the card_... counters */
	u64 interrupts;		  /* atomic */
};

static inline u32 e1000e_readl(struct e1000e *e, u32 reg)
{
	return dmamap_readl(e->dev, 0, reg);
}

static inline void e1000e_writel(struct e1000e *e, u32 reg, u32 value)
{
	dmamap_writel(e->dev, 0, reg, value);
}

/* The socket has no space for what was received, and no event announces that it has some. */
static inline bool e1000e_is_full(const struct e1000e *e)
{
	return __atomic_load_n(&e->rx.full, __ATOMIC_RELAXED);
}

static inline bool e1000e_is_gone(const struct e1000e *e)
{
	return __atomic_load_n(&e->gone, __ATOMIC_RELAXED);
}

/* Each statistic is written only under its lock, and may be read without it. */
static inline void e1000e_add(u64 *stat, u64 n)
{
	__atomic_store_n(stat, *stat + n, __ATOMIC_RELAXED);
}

/* Loads a word that the card writes. */
static inline u64 e1000e_load(const u64 *word)
{
	return le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static inline void e1000e_store(u64 *word, u64 value)
{
	__atomic_store_n(word, htole64(value), __ATOMIC_RELAXED);
}

/* e1000e.c; the caller holds both locks */
int e1000e_reset(struct e1000e *e);
int e1000e_up(struct e1000e *e);
void e1000e_down(struct e1000e *e);
void e1000e_lock(struct e1000e *e);
void e1000e_unlock(struct e1000e *e);
/* may be called at any time */
void e1000e_look_at_link(struct e1000e *e);
int e1000e_fail_gone(struct e1000e *e);

/* e1000e_rx.c; the caller holds rx.lock */
u32 e1000e_rx_poll(struct e1000e *e, u32 budget);
bool e1000e_rx_ready(const struct e1000e *e);
void e1000e_rx_fill(struct e1000e *e);
void e1000e_rx_release(struct e1000e *e);
/* chooses the size of receive buffers of `room` bytes; `parts`: a packet may have several */
int e1000e_rx_choose(struct e1000e *e, u32 room, bool parts);

/* e1000e_tx.c; the caller holds tx.lock */
u32 e1000e_tx_clean(struct e1000e *e);
u32 e1000e_tx_pool(struct e1000e *e); /* sends what the socket has queued */
int e1000e_tx_copy(struct e1000e *e, const void *frame, u32 len);
void e1000e_tx_release(struct e1000e *e);
void e1000e_tx_free(struct e1000e *e); /* frees its pages as well */

/* e1000e_serve.c */
void e1000e_serve_end(struct e1000e *e);

/* e1000e_xsk.c */
extern const struct xdp_driver_ops e1000e_xdp_ops;

#endif
