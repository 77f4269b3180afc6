/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The card: reset, rings, up and down, waiting, statistics.
 *
 * Stopping follows the datasheet: disable interrupts and new bus requests (CTRL.GIO master
 * disable), wait until STATUS shows no outstanding request, then reset. Buffers are released only
 * after that. A removed card (its registers read all ones) cannot access memory either. Every value
 * that the card reports is checked against its limits before it is used.
 */
#include "drivers/e1000e_private.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS	 200
#define FULL_MS	 1 /* between two attempts to deliver to a socket without space */
#define DRAIN_MS 100
#define WATCH_MS 1000 /* interval at which a sleeping driver checks the card */
#define RESET_US 1000

static void e1000e_pause_us(long us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static u64 e1000e_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

void e1000e_lock(struct e1000e *e)
{
	pthread_mutex_lock(&e->rx.lock);
	pthread_mutex_lock(&e->tx.lock);
}

void e1000e_unlock(struct e1000e *e)
{
	pthread_mutex_unlock(&e->tx.lock);
	pthread_mutex_unlock(&e->rx.lock);
}

int e1000e_fail_gone(struct e1000e *e)
{
	return driver_fail(
		EIO, "%s: the card does not respond: it was removed, or the device is stopped",
		dev_name(e->dev));
}

void e1000e_look_at_link(struct e1000e *e)
{
	u32 status = e1000e_readl(e, REG_STATUS);

	if (status == ALL_ONES)
		__atomic_store_n(&e->gone, true, __ATOMIC_RELAXED);
	__atomic_store_n(&e->link, status != ALL_ONES && (status & STATUS_LU), __ATOMIC_RELAXED);
}

/* Waits until the bits of a register are clear. Returns false if they stay set. */
static bool e1000e_wait_clear(struct e1000e *e, u32 reg, u32 bits)
{
	u64 end = e1000e_now_ms() + WAIT_MS;

	while (e1000e_readl(e, reg) & bits) {
		if (e1000e_readl(e, REG_STATUS) == ALL_ONES || e1000e_now_ms() >= end)
			return false;
		e1000e_pause_us(20);
	}
	return true;
}

int e1000e_reset(struct e1000e *e)
{
	u32 ctrl = e1000e_readl(e, REG_CTRL);

	e1000e_writel(e, REG_IMC, ALL_ONES);
	e1000e_writel(e, REG_CTRL, ctrl | CTRL_MASTER_OFF);
	e1000e_wait_clear(e, REG_STATUS, STATUS_MASTER);
	e1000e_writel(e, REG_RCTL, 0);
	e1000e_writel(e, REG_TCTL, TCTL_PSP);
	e1000e_writel(e, REG_CTRL, ctrl | CTRL_RST);
	e1000e_pause_us(RESET_US);
	if (!e1000e_wait_clear(e, REG_CTRL, CTRL_RST)) {
		e1000e_look_at_link(e);
		return e1000e_is_gone(e)
			       ? e1000e_fail_gone(e)
			       : driver_fail(EIO,
					     "%s: the reset of the card did not end within %d ms",
					     dev_name(e->dev), WAIT_MS);
	}
	e1000e_writel(e, REG_IMC, ALL_ONES);
	e1000e_readl(e, REG_ICR);
	return 0;
}

static void e1000e_collect(struct e1000e *e);

/* The card's registers are 32 bits wide, so an address takes two. */
static void e1000e_write_address(struct e1000e *e, u32 reg, dma_addr_t dma)
{
	e1000e_writel(e, reg, (u32)dma);
	e1000e_writel(e, reg + 4, (u32)(dma >> 32));
}

static void e1000e_program_rings(struct e1000e *e)
{
	e1000e_write_address(e, REG_RDBA, e->rx.ring_dma);
	e1000e_writel(e, REG_RDLEN, e->rx.size * (u32)sizeof(*e->rx.ring));
	e1000e_writel(e, REG_RDH, 0);
	e1000e_writel(e, REG_RDT, 0);
	e1000e_write_address(e, REG_TDBA, e->tx.ring_dma);
	e1000e_writel(e, REG_TDLEN, e->tx.size * (u32)sizeof(*e->tx.ring));
	e1000e_writel(e, REG_TDH, 0);
	e1000e_writel(e, REG_TDT, 0);
	e1000e_writel(e, REG_TXDCTL, TXDCTL_DEFAULT);
	e1000e_writel(e, REG_RFCTL, RFCTL_EXSTEN);
}

static void e1000e_program_interrupts(struct e1000e *e)
{
	u32 interval = e->options.irq_us * 1000 / 256;

	/* One vector for all causes, whether it is an MSI-X message (IVAR, EITR) or not (ITR). */
	e1000e_writel(e, REG_IVAR, IVAR_ALL_TO_0);
	e1000e_writel(e, REG_EITR, interval);
	e1000e_writel(e, REG_ITR, interval);
}

/* The caller holds both locks. No descriptor or request of an earlier run is in flight. */
int e1000e_up(struct e1000e *e)
{
	u32 flow = e->options.no_flow_control ? 0 : CTRL_RFCE | CTRL_TFCE;

	if (e1000e_is_gone(e))
		return e1000e_fail_gone(e);
	memset(e->rx.ring, 0, e->rx.size * sizeof(*e->rx.ring));
	memset(e->tx.ring, 0, e->tx.size * sizeof(*e->tx.ring));
	e1000e_program_rings(e);
	e1000e_program_interrupts(e);
	e1000e_writel(e, REG_FCTTV, 0xffff);
	e1000e_writel(e, REG_FCRTL, 0x80005000);
	e1000e_writel(e, REG_FCRTH, 0x6000);
	e1000e_writel(e, REG_CTRL,
		      (e1000e_readl(e, REG_CTRL) & ~(CTRL_MASTER_OFF | CTRL_RFCE | CTRL_TFCE)) |
			      CTRL_SLU | CTRL_FD | flow);
	e1000e_writel(e, REG_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	e1000e_writel(e, REG_RCTL,
		      RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_SECRC | e->rx.rctl);
	e->started = e->rx.on = e->tx.on = true;
	e1000e_rx_fill(e);
	e1000e_look_at_link(e);
	return 0;
}

/*
 * Waits until the card has sent all packets that were submitted to it, because an application may
 * assume that a packet was sent once its buffer is completed. The wait ends when the card has made
 * no progress for DRAIN_MS, as without a link. The caller holds both locks.
 */
static void e1000e_drain_tx(struct e1000e *e)
{
	u64 end = e1000e_now_ms() + DRAIN_MS;
	u32 clean = e->tx.clean;

	while (e->tx.clean != e->tx.next && !e1000e_is_gone(e) && e1000e_now_ms() < end) {
		e1000e_tx_clean(e);
		if (e->tx.clean != clean)
			end = e1000e_now_ms() + DRAIN_MS;
		clean = e->tx.clean;
		if (clean != e->tx.next)
			e1000e_pause_us(20);
		e1000e_look_at_link(e);
		if (!__atomic_load_n(&e->link, __ATOMIC_RELAXED))
			break;
	}
}

/* The caller holds both locks. */
void e1000e_down(struct e1000e *e)
{
	if (!e->started)
		return;
	e1000e_drain_tx(e);
	e->started = e->rx.on = e->tx.on = false;
	e1000e_collect(e);
	e1000e_reset(e);
	e1000e_tx_release(e);
	e1000e_rx_release(e);
}

int e1000e_stop(struct e1000e *e)
{
	e1000e_lock(e);
	e1000e_down(e);
	e1000e_unlock(e);
	return e1000e_is_gone(e) ? e1000e_fail_gone(e) : 0;
}

int e1000e_start(struct e1000e *e)
{
	int err = 0;

	e1000e_lock(e);
	if (!e->started)
		err = e1000e_up(e);
	e1000e_unlock(e);
	return err;
}

/* Returns true at intervals, when the caller must check the card. */
static bool e1000e_look_due(struct e1000e *e, u32 moved)
{
	if (!__atomic_load_n(&e->link, __ATOMIC_RELAXED) || ++e->polls % LINK_POLLS == 0)
		return true;
	e->idle = moved ? 0 : e->idle + 1;
	return e->idle % IDLE_POLLS == IDLE_POLLS - 1;
}

static u32 e1000e_poll_rx(struct e1000e *e, u32 budget)
{
	u32 n;

	pthread_mutex_lock(&e->rx.lock);
	n = e->rx.on ? e1000e_rx_poll(e, budget) : 0;
	pthread_mutex_unlock(&e->rx.lock);
	return n;
}

static u32 e1000e_poll_tx(struct e1000e *e)
{
	u32 n = 0;

	pthread_mutex_lock(&e->tx.lock);
	if (e->tx.on)
		n = e1000e_tx_clean(e);
	if (e->tx.on && e->pool)
		n += e1000e_tx_pool(e);
	pthread_mutex_unlock(&e->tx.lock);
	return n;
}

int e1000e_poll(struct e1000e *e, unsigned int budget)
{
	u32 n = budget ? e1000e_poll_rx(e, budget) : 0;

	n += e1000e_poll_tx(e);
	if (e1000e_look_due(e, n))
		e1000e_look_at_link(e);
	return e1000e_is_gone(e) ? e1000e_fail_gone(e) : (int)n;
}

/* Sets whether the application has to wake the driver, because no thread polls. */
static void e1000e_need_wakeup(struct e1000e *e, bool on)
{
	e1000e_lock(e);
	if (e->pool) {
		if (on) {
			xsk_set_rx_need_wakeup(e->pool);
			xsk_set_tx_need_wakeup(e->pool);
		} else {
			xsk_clear_rx_need_wakeup(e->pool);
			xsk_clear_tx_need_wakeup(e->pool);
		}
	}
	e1000e_unlock(e);
}

static void e1000e_drain(int fd)
{
	u64 count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* the counter was already zero */
}

/*
 * Returns 1 if a descriptor is readable, 0 after the timeout, a negative value if a signal was
 * received.
 */
static int e1000e_sleep_ms(struct e1000e *e, int ms)
{
	struct pollfd p[2] = {{.fd = e->irq_fd, .events = POLLIN},
			      {.fd = e->kick_fd, .events = POLLIN}};
	int n = poll(p, 2, ms);

	if (n > 0 && p[0].revents) {
		e1000e_drain(e->irq_fd);
		__atomic_add_fetch(&e->interrupts, 1, __ATOMIC_RELAXED);
	}
	if (n > 0 && p[1].revents)
		e1000e_drain(e->kick_fd);
	return n > 0 ? 1 : n;
}

static bool e1000e_wait_interrupt(struct e1000e *e, int timeout_ms)
{
	u64 now = e1000e_now_ms(), end = timeout_ms < 0 ? UINT64_MAX : now + (u64)timeout_ms;
	int n;

	do {
		n = e1000e_sleep_ms(e, end - now < WATCH_MS ? (int)(end - now) : WATCH_MS);
		e1000e_look_at_link(e);
		now = e1000e_now_ms();
	} while (!n && now < end && !e1000e_is_gone(e));
	return n > 0;
}

/* Whether a packet was received and not processed yet. */
static bool e1000e_wait_rx_ready(struct e1000e *e)
{
	bool ready;

	pthread_mutex_lock(&e->rx.lock);
	ready = e->rx.on && e1000e_rx_ready(e) && !e1000e_is_full(e);
	pthread_mutex_unlock(&e->rx.lock);
	return ready;
}

int e1000e_wait(struct e1000e *e, int timeout_ms)
{
	bool full = e1000e_is_full(e) && timeout_ms;
	int n;

	e1000e_need_wakeup(e, true);
	e1000e_writel(e, REG_IMS, IRQ_CAUSES);
	/*
	 * no interrupt is raised for a packet that arrived before the flags and the mask were set
	 */
	n = e1000e_wait_rx_ready(e) || e1000e_poll(e, 0) != 0;
	if (!n)
		n = e1000e_wait_interrupt(e, full ? FULL_MS : timeout_ms) || full;
	e1000e_writel(e, REG_IMC, ALL_ONES);
	e1000e_readl(e, REG_ICR);
	e1000e_need_wakeup(e, false);
	if (e1000e_is_gone(e))
		return e1000e_fail_gone(e);
	return n;
}

int e1000e_send(struct e1000e *e, const void *frame, u32 len)
{
	int err;

	pthread_mutex_lock(&e->tx.lock);
	if (e1000e_is_gone(e))
		err = e1000e_fail_gone(e);
	else if (!e->tx.on)
		err = driver_fail(EIO, "%s: the card is stopped", dev_name(e->dev));
	else if (e->pool)
		err = driver_fail(EBUSY,
				  "%s: queue 0 belongs to a zero-copy socket: close it first",
				  dev_name(e->dev));
	else
		err = e1000e_tx_copy(e, frame, len);
	pthread_mutex_unlock(&e->tx.lock);
	return err;
}

bool e1000e_link(struct e1000e *e)
{
	e1000e_look_at_link(e);
	return __atomic_load_n(&e->link, __ATOMIC_RELAXED);
}

bool e1000e_zero_copy(struct e1000e *e)
{
	bool on;

	pthread_mutex_lock(&e->tx.lock);
	on = e->pool != NULL;
	pthread_mutex_unlock(&e->tx.lock);
	return on;
}

unsigned int e1000e_in_flight(struct e1000e *e)
{
	u32 n;

	pthread_mutex_lock(&e->tx.lock);
	if (e->tx.on)
		e1000e_tx_clean(e);
	n = e->tx.next >= e->tx.clean ? e->tx.next - e->tx.clean
				      : e->tx.next + e->tx.size - e->tx.clean;
	pthread_mutex_unlock(&e->tx.lock);
	return n;
}

void e1000e_address(const struct e1000e *e, u8 mac[6])
{
	memcpy(mac, e->mac, 6);
}

/* Reads the card's statistics registers, which are cleared by reading. */
static void e1000e_collect(struct e1000e *e)
{
	struct e1000e_stats *s = &e->card;
	const struct {
		u32 reg;
		u64 *stat;
	} counters[] = {
		{0x4000, &s->card_crc_errors}, {0x400c, &s->card_rx_errors},
		{0x4010, &s->card_missed},     {0x4018, &s->card_tx_failed},
		{0x4034, &s->card_no_carrier}, {0x4074, &s->card_rx_good},
		{0x4080, &s->card_tx_good},    {0x40a0, &s->card_no_buffer},
		{0x40a4, &s->card_short},      {0x40ac, &s->card_long},
		{0x40d0, &s->card_rx},
	};
	u32 i, value;

	pthread_mutex_lock(&e->stat_lock);
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		value = e1000e_readl(e, counters[i].reg);
		if (value != ALL_ONES)
			*counters[i].stat += value;
	}
	if (e1000e_readl(e, REG_STATUS) != ALL_ONES) {
		s->card_rx_bytes += e1000e_readl(e, 0x4088);
		s->card_rx_bytes += (u64)e1000e_readl(e, 0x408c) << 32;
		s->card_tx_bytes += e1000e_readl(e, 0x4090);
		s->card_tx_bytes += (u64)e1000e_readl(e, 0x4094) << 32;
	}
	pthread_mutex_unlock(&e->stat_lock);
}

static u64 e1000e_load_stat(const u64 *stat)
{
	return __atomic_load_n(stat, __ATOMIC_RELAXED);
}

void e1000e_stats(struct e1000e *e, struct e1000e_stats *stats)
{
	e1000e_collect(e);
	pthread_mutex_lock(&e->stat_lock);
	*stats = e->card;
	pthread_mutex_unlock(&e->stat_lock);
	stats->rx_packets = e1000e_load_stat(&e->rx.packets);
	stats->rx_bytes = e1000e_load_stat(&e->rx.bytes);
	stats->rx_refused = e1000e_load_stat(&e->rx.refused);
	stats->rx_errors = e1000e_load_stat(&e->rx.errors);
	stats->rx_too_long = e1000e_load_stat(&e->rx.too_long);
	stats->rx_map_failed = e1000e_load_stat(&e->rx.map_failed);
	stats->tx_packets = e1000e_load_stat(&e->tx.packets);
	stats->tx_bytes = e1000e_load_stat(&e->tx.bytes);
	stats->tx_map_failed = e1000e_load_stat(&e->tx.map_failed);
	stats->tx_too_long = e1000e_load_stat(&e->tx.too_long);
	stats->interrupts = e1000e_load_stat(&e->interrupts);
}
