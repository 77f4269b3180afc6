/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Features: settings that the driver changes and reads. All are reset with the controller. Those
 * that only affect timing (arbitration, coalescing, error recovery) are stored and have no effect.
 */
#include "nvme.h"

enum nvme_feature_id {
	FEATURE_ARBITRATION = 0x01,
	FEATURE_POWER = 0x02,
	FEATURE_TEMPERATURE = 0x04,
	FEATURE_RECOVERY = 0x05,
	FEATURE_WRITE_CACHE = 0x06,
	FEATURE_QUEUES = 0x07,
	FEATURE_COALESCING = 0x08,
	FEATURE_VECTOR = 0x09,
	FEATURE_ATOMICITY = 0x0a,
	FEATURE_EVENTS = 0x0b,
};

/* Which value Get Features returns. */
enum nvme_select {
	SELECT_CURRENT,
	SELECT_DEFAULT,
	SELECT_SAVED,
	SELECT_CAPABILITIES,
};

#define CAPABILITY_NAMESPACE  0x2u
#define CAPABILITY_CHANGEABLE 0x4u
#define SET_SAVE	      (1u << 31)
#define VECTOR_NO_COALESCING  (1u << 16)
#define EVENT_TEMPERATURE     0x02u /* in FEATURE_EVENTS: bit 1 of SMART's critical warning */

static void nvmesim_feature_defaults(const struct nvmesim *n, struct nvme_features *f)
{
	*f = (struct nvme_features){
		.arbitration = 7, /* unlimited burst */
		.write_cache = 1,
		.over_temp = NVME_WARM,
		.io_queues = n->io_queues_max,
	};
}

void nvmesim_features_reset(struct nvmesim *n)
{
	nvmesim_feature_defaults(n, &n->features);
}

bool nvmesim_too_warm(const struct nvmesim *n)
{
	return NVME_TEMPERATURE >= n->features.over_temp ||
	       NVME_TEMPERATURE <= n->features.under_temp;
}

static bool nvmesim_feature_known(u32 id)
{
	return id >= FEATURE_ARBITRATION && id <= FEATURE_EVENTS && id != 0x03;
}

/* Only the composite temperature exists; there are no further sensors. */
static u16 nvmesim_feature_set_temperature(struct nvmesim *n, u32 value)
{
	u32 sensor = (value >> 16) & 15, type = (value >> 20) & 3;
	bool warm = nvmesim_too_warm(n);

	if ((sensor && sensor != 15) || type > 1)
		return NVME_INVALID_FIELD;
	*(type ? &n->features.under_temp : &n->features.over_temp) = value & 0xffff;
	if (!warm && nvmesim_too_warm(n) && (n->features.events & EVENT_TEMPERATURE))
		nvmesim_event_raise(n, NVME_EVENT_TEMPERATURE);
	return NVME_OK;
}

/* The driver requests numbers of queues (0's based) and is granted at most io_queues_max. */
static u16 nvmesim_feature_set_queues(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 sqs = c->cdw11 & 0xffff, cqs = c->cdw11 >> 16, want = sqs > cqs ? sqs : cqs, i;

	if (sqs == 0xffff || cqs == 0xffff)
		return NVME_INVALID_FIELD;
	for (i = 1; i < NVME_QUEUES; i++) {
		if (n->sq[i].live || n->cq[i].live)
			return NVME_COMMAND_SEQUENCE;
	}
	n->features.io_queues = want < n->io_queues_max ? want + 1 : n->io_queues_max;
	c->result = (n->features.io_queues - 1) * 0x10001u;
	return NVME_OK;
}

static u16 nvmesim_feature_set_vector(struct nvmesim *n, u32 value)
{
	u32 vector = value & 0xffff;

	if (vector >= NVME_VECTORS)
		return NVME_INVALID_FIELD;
	n->features.no_coalescing &= ~(1u << vector);
	if (value & VECTOR_NO_COALESCING)
		n->features.no_coalescing |= 1u << vector;
	return NVME_OK;
}

static u16 nvmesim_feature_store(struct nvmesim *n, struct nvme_cmd *c, u32 id)
{
	struct nvme_features *f = &n->features;

	switch (id) {
	case FEATURE_ARBITRATION:
		f->arbitration = c->cdw11 & 0xffffff07u;
		return NVME_OK;
	case FEATURE_POWER:
		if (c->cdw11 & 0x1f) /* only power state 0 exists */
			return NVME_INVALID_FIELD;
		f->power = c->cdw11 & 0xe0;
		return NVME_OK;
	case FEATURE_TEMPERATURE:
		return nvmesim_feature_set_temperature(n, c->cdw11);
	case FEATURE_RECOVERY:
		f->recovery = c->cdw11 & 0xffff;
		return NVME_OK;
	case FEATURE_WRITE_CACHE:
		f->write_cache = c->cdw11 & 1;
		/* cached data must be stable once the cache is off */
		return f->write_cache ? NVME_OK : nvmesim_image_flush(&n->image);
	case FEATURE_QUEUES:
		return nvmesim_feature_set_queues(n, c);
	case FEATURE_COALESCING:
		f->coalescing = c->cdw11 & 0xffff;
		return NVME_OK;
	case FEATURE_VECTOR:
		return nvmesim_feature_set_vector(n, c->cdw11);
	case FEATURE_ATOMICITY:
		f->atomicity = c->cdw11 & 1;
		return NVME_OK;
	default:
		f->events = c->cdw11 & 0xff;
		return NVME_OK;
	}
}

u16 nvmesim_feature_set(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = c->cdw10 & 0xff;

	if (!nvmesim_feature_known(id))
		return NVME_INVALID_FIELD;
	if (c->cdw10 & SET_SAVE)
		return NVME_NOT_SAVEABLE;
	if (id == FEATURE_RECOVERY) {
		if (c->nsid != 1 && c->nsid != NVME_NSID_ALL)
			return NVME_INVALID_NAMESPACE;
	} else if (c->nsid && c->nsid != NVME_NSID_ALL) {
		return NVME_NOT_NAMESPACE;
	}
	return nvmesim_feature_store(n, c, id);
}

static u16 nvmesim_feature_get_temperature(const struct nvme_features *f, struct nvme_cmd *c)
{
	u32 sensor = (c->cdw11 >> 16) & 15, type = (c->cdw11 >> 20) & 3;

	if (sensor || type > 1)
		return NVME_INVALID_FIELD;
	c->result = type ? f->under_temp : f->over_temp;
	return NVME_OK;
}

static u16 nvmesim_feature_get_vector(const struct nvme_features *f, struct nvme_cmd *c)
{
	u32 vector = c->cdw11 & 0xffff;

	if (vector >= NVME_VECTORS)
		return NVME_INVALID_FIELD;
	c->result = vector;
	if (f->no_coalescing & (1u << vector))
		c->result |= VECTOR_NO_COALESCING;
	return NVME_OK;
}

static u16 nvmesim_feature_load(const struct nvme_features *f, struct nvme_cmd *c, u32 id)
{
	switch (id) {
	case FEATURE_TEMPERATURE:
		return nvmesim_feature_get_temperature(f, c);
	case FEATURE_VECTOR:
		return nvmesim_feature_get_vector(f, c);
	case FEATURE_ARBITRATION:
		c->result = f->arbitration;
		break;
	case FEATURE_POWER:
		c->result = f->power;
		break;
	case FEATURE_RECOVERY:
		c->result = f->recovery;
		break;
	case FEATURE_WRITE_CACHE:
		c->result = f->write_cache;
		break;
	case FEATURE_QUEUES:
		c->result = (f->io_queues - 1) * 0x10001u;
		break;
	case FEATURE_COALESCING:
		c->result = f->coalescing;
		break;
	case FEATURE_ATOMICITY:
		c->result = f->atomicity;
		break;
	case FEATURE_EVENTS:
		c->result = f->events;
		break;
	}
	return NVME_OK;
}

u16 nvmesim_feature_get(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = c->cdw10 & 0xff, select = (c->cdw10 >> 8) & 7;
	struct nvme_features initial;

	if (!nvmesim_feature_known(id) || select > SELECT_CAPABILITIES)
		return NVME_INVALID_FIELD;
	if (id == FEATURE_RECOVERY && c->nsid != 1)
		return NVME_INVALID_NAMESPACE;
	if (select == SELECT_CAPABILITIES) {
		c->result = CAPABILITY_CHANGEABLE;
		if (id == FEATURE_RECOVERY)
			c->result |= CAPABILITY_NAMESPACE;
		return NVME_OK;
	}
	if (select == SELECT_CURRENT)
		return nvmesim_feature_load(&n->features, c, id);
	nvmesim_feature_defaults(n, &initial);
	return nvmesim_feature_load(&initial, c, id);
}
