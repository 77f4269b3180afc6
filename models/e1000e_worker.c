/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The card's thread. It polls for a short time before it sleeps, since a wake-up costs the driver a
 * system call and both threads some microseconds.
 */
#include "e1000e.h"

#include <sched.h>
#include <string.h>

#define LOOK_NS	       30000 /* how long to poll for more work before sleeping */
#define RELAX_PER_LOOK 8

void e1000e_ring_bell(struct e1000esim *c, u32 pending)
{
	if (!doorbell_post(&c->bell.work, pending))
		return;
	if (c->socket)
		e1000e_socket_wake(c->socket);
	else
		doorbell_wake(&c->bell.work);
}

static bool e1000esim_worker_look_for_work(struct e1000esim *c, u64 until)
{
	int i;

	do {
		for (i = 0; i < RELAX_PER_LOOK; i++) {
			if (doorbell_pending(&c->bell.work))
				return true;
			util_relax();
		}
		/* the driver may be waiting for this processor */
		sched_yield();
	} while (dmamap_model_clock() < until);
	return false;
}

/* Sleeps until the bell rings or until `when`; 0: without a timeout. */
static void e1000esim_worker_sleep_until(struct e1000esim *c, u64 when)
{
	u64 now = when ? dmamap_model_clock() : 0;
	struct timespec t = {.tv_sec = (time_t)((when - now) / NS_PER_S),
			     .tv_nsec = (long)((when - now) % NS_PER_S)};

	if (when && now >= when)
		return;
	if (!c->socket) {
		doorbell_wait(&c->bell.work, when ? &t : NULL);
		return;
	}
	if (doorbell_sleep_begin(&c->bell.work))
		e1000e_socket_sleep(c->socket, c->rx.on && !c->rx.halted, when ? &t : NULL);
	doorbell_sleep_end(&c->bell.work);
}

static void e1000esim_worker_wait_for_work(struct e1000esim *c)
{
	u64 due = e1000e_port_due(c), until = dmamap_model_clock() + LOOK_NS;

	if (c->irq_at_ns && (!due || c->irq_at_ns < due))
		due = c->irq_at_ns;
	if (due && due < until) {
		e1000esim_worker_look_for_work(c, due);
		return;
	}
	if ((c->rx.on || c->tx.on) && e1000esim_worker_look_for_work(c, until))
		return;
	e1000e_port_idle(c);
	e1000esim_worker_sleep_until(c, due);
}

static u32 e1000esim_worker_buffer_bytes(u32 rctl)
{
	if (RCTL_FLXBUF(rctl))
		return RCTL_FLXBUF(rctl) << 10;
	/* BSEX multiplies the sizes by 16; for the largest size it is reserved */
	if ((rctl & RCTL_BSEX) && RCTL_BSIZE(rctl))
		return 32768u >> RCTL_BSIZE(rctl);
	return 2048u >> RCTL_BSIZE(rctl);
}

static void e1000esim_worker_take_addresses(struct e1000e_config *g, const u32 *word)
{
	u32 i, high;

	g->addresses = 0;
	for (i = 0; i < E1000E_ADDRESSES; i++) {
		high = word[REG_RAL / 4 + 2 * i + 1];
		if (high & RAH_AV)
			g->address[g->addresses++] =
				word[REG_RAL / 4 + 2 * i] | (u64)(high & 0xffff) << 32;
	}
	memcpy(g->mta, &word[REG_MTA / 4], sizeof(g->mta));
}

static void e1000esim_worker_take_config(struct e1000esim *c, const u32 *word)
{
	struct e1000e_config *g = &c->config;

	g->ctrl = word[REG_CTRL / 4];
	g->rctl = word[REG_RCTL / 4];
	g->extended = word[REG_RFCTL / 4] & RFCTL_EXSTEN;
	g->rx_buffer = e1000esim_worker_buffer_bytes(g->rctl);
	g->rx_most = g->rctl & RCTL_LPE ? E1000E_FRAME_MAX : E1000E_LONG;
	g->rx_fcs = g->rctl & RCTL_SECRC ? 0 : E1000E_FCS;
	e1000esim_worker_take_addresses(g, word);
}

/* A unit that is switched on uses the values that its ring's registers have at that time. */
static void e1000esim_worker_take_ring(struct e1000e_ring *r, const u32 *word, bool on)
{
	u64 base = word[0] | (u64)word[1] << 32;
	u32 size = word[2] / sizeof(struct e1000e_desc);

	if (on && !r->on)
		r->halted = false;
	if ((on && !r->on) || base != r->base || size != r->size)
		e1000e_ring_restart(r, r->head);
	r->base = base;
	r->size = size;
	r->on = on;
}

/* Under the lock. */
static void e1000esim_worker_take_registers(struct e1000esim *c)
{
	struct e1000e_regs *r = &c->regs;
	bool master;

	if (r->reset)
		e1000e_regs_reset(c);
	r->reset = false;
	e1000esim_worker_take_config(c, r->word);
	if (r->rdh_written)
		e1000e_ring_restart(&c->rx, r->new_rdh);
	if (r->tdh_written)
		e1000e_ring_restart(&c->tx, r->new_tdh);
	r->rdh_written = r->tdh_written = false;
	master = !(c->config.ctrl & CTRL_MASTER_OFF) && !c->gone;
	e1000esim_worker_take_ring(&c->rx, &r->word[REG_RDBAL / 4],
				   master && (c->config.rctl & RCTL_EN));
	e1000esim_worker_take_ring(&c->tx, &r->word[REG_TDBAL / 4],
				   master && (r->word[REG_TCTL / 4] & TCTL_EN));
	c->config.rx_low = c->rx.size >> (1 + RCTL_RDMTS(c->config.rctl));
}

static void e1000esim_worker_link_step(struct e1000esim *c)
{
	u32 link = e1000e_port_up(c) && (c->config.ctrl & CTRL_SLU) && !c->gone, how = 0;

	if (link != c->link) {
		write_once(&c->link, link);
		c->causes |= ICR_LSC;
	}
	if (c->rx.on && link)
		how = WIRE_ACCEPTS | (c->config.ctrl & CTRL_TFCE ? WIRE_PAUSES : 0);
	if (c->wire && !c->gone)
		e1000e_wire_accept(c->wire, c->end, how);
}

static void e1000esim_worker_control_step(struct e1000esim *c)
{
	bool sending = c->tx.on;
	u32 asked;

	dmamap_model_lock(&c->regs.lock);
	asked = c->regs.asked;
	e1000esim_worker_take_registers(c);
	dmamap_model_unlock(&c->regs.lock);
	write_release(&c->rdh, c->rx.head);
	write_release(&c->tdh, c->tx.head);
	if (!c->tx.on || !sending) {
		c->frame_len = 0;
		c->frame_bad = c->frame_whole = c->frame_tso = false;
	}
	e1000esim_worker_link_step(c);
	write_release(&c->bell.done, asked);
}

/* Unplugs the card: registers read as ones, and no packet moves any more. */
static void e1000esim_worker_unplug(struct e1000esim *c)
{
	write_release(&c->gone, 1);
	if (c->wire)
		e1000e_wire_leave(c->wire, c->end);
	e1000esim_worker_control_step(c);
}

void e1000e_take_control(struct e1000esim *c)
{
	u64 pending;

	if (!doorbell_pending(&c->bell.work))
		return;
	pending = doorbell_take(&c->bell.work);
	if (pending & E1000E_PEND_CONTROL)
		e1000esim_worker_control_step(c);
	else if (pending & E1000E_PEND_LINK)
		e1000esim_worker_link_step(c);
}

/* Returns whether anything moved or new work has arrived. */
static bool e1000esim_worker_turn(struct e1000esim *c)
{
	bool busy;

	c->now_ns = c->wall_ns = 0;
	e1000e_take_control(c);
	e1000e_port_begin(c);
	busy = e1000e_tx_run(c);
	busy |= e1000e_rx_run(c);
	if (c->link && !e1000e_port_up(c))
		e1000esim_worker_link_step(c);
	e1000e_publish(c);
	e1000e_irq_run(c);
	if (c->unplug && c->moved >= c->unplug && !c->gone)
		e1000esim_worker_unplug(c);
	return busy || doorbell_pending(&c->bell.work);
}

void *e1000e_worker(void *arg)
{
	struct e1000esim *c = arg;

	while (!read_once(&c->bell.work.stop)) {
		/*
		 * the bit that announced `stop` may have been consumed already, so check `stop`
		 * itself
		 */
		if (!e1000esim_worker_turn(c) && !read_once(&c->bell.work.stop))
			e1000esim_worker_wait_for_work(c);
	}
	return NULL;
}

/* With threads=0. There is more if a throttled interrupt or a packet of a file is due later. */
bool e1000e_step(void *model)
{
	struct e1000esim *c = model;
	bool more = e1000esim_worker_turn(c);

	if (!more)
		e1000e_port_idle(c);
	return more || c->irq_at_ns || e1000e_port_due(c);
}
