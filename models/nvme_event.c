/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asynchronous events. The driver submits requests, which stay pending until an event completes
 * one. After an event was reported, further events of its type are masked until the driver reads
 * the log page of that type. A million invalid doorbell writes are therefore reported once. A
 * pending event is one bit.
 */
#include "nvme.h"

struct event_kind {
	u8 type, info, log_page;
};

static const struct event_kind kinds[NVME_EVENTS] = {
	[NVME_EVENT_BELL_REGISTER] = {0, 0, 0x01},
	[NVME_EVENT_BELL_VALUE] = {0, 1, 0x01},
	[NVME_EVENT_TEMPERATURE] = {1, 1, 0x02},
};

u16 nvmesim_event_request(struct nvmesim *n, struct nvme_cmd *c)
{
	struct nvme_events *e = &n->events;

	if (e->n == NVME_EVENTS_MAX)
		return NVME_EVENT_LIMIT;
	e->cid[e->n++] = c->cid;
	return NVME_HELD;
}

/* Aborts a pending request. Its completion needs space in addition to the abort command's own. */
bool nvmesim_event_abort(struct nvmesim *n, u16 cid)
{
	struct nvme_events *e = &n->events;
	u32 i;

	for (i = 0; i < e->n && e->cid[i] != cid; i++)
		;
	if (i == e->n || nvmesim_cq_room(n, 0) < 2)
		return false;
	e->cid[i] = e->cid[--e->n];
	nvmesim_cq_post(n, 0, cid, NVME_ABORT_REQUESTED, 0);
	return true;
}

/* Marks an event as pending; the worker reports it at the end of its turn. */
void nvmesim_event_raise(struct nvmesim *n, enum nvme_event event)
{
	if (kinds[event].type == 0 && !(n->events.pending & (1u << event)))
		nvmesim_log_error(n, NULL, 0);
	n->events.pending |= 1u << event;
}

/* The driver has read a log page, so its events may be reported again. */
void nvmesim_event_clear(struct nvmesim *n, u32 log_page)
{
	u32 i;

	for (i = 0; i < NVME_EVENTS; i++) {
		if (kinds[i].log_page == log_page)
			n->events.masked &= ~(1u << kinds[i].type);
	}
}

void nvmesim_event_deliver(struct nvmesim *n)
{
	struct nvme_events *e = &n->events;
	u32 i;

	for (i = 0; i < NVME_EVENTS && e->n && n->running; i++) {
		const struct event_kind *k = &kinds[i];

		if (!(e->pending & (1u << i)) || (e->masked & (1u << k->type)))
			continue;
		if (!nvmesim_cq_room(n, 0))
			return; /* the driver's next move of the head wakes the worker */
		e->pending &= ~(1u << i);
		e->masked |= 1u << k->type;
		nvmesim_cq_post(n, 0, e->cid[--e->n], NVME_OK,
				k->type | (u32)k->info << 8 | (u32)k->log_page << 16);
	}
}
