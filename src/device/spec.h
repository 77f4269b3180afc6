/* SPDX-License-Identifier: BSD-2-Clause */
/* A parsed and checked device spec, BACKEND[:TARGET][,key=value]…. */
#ifndef DEVICE_SPEC_H
#define DEVICE_SPEC_H

#include "device/model.h"
#include "domain/domain.h"
#include "domain/hw.h"

#define SPEC_NAME_MAX 31

struct spec {
	char *text; /* the buffer of the strings below */
	/* NULL: a bus master with no behaviour; the spec is one of its users */
	const struct dmamap_model_ops *model;
	enum domain_policy policy;
	bool untrusted, check, iommu, coherent, forcedac;
	bool sync_writes;	   /* writes=sync */
	bool stepped;		   /* threads=0 */
	bool check_all, check_own; /* from the environment, see open.c */
	const char *name, *group;  /* NULL: none */
	u64 ram, swiotlb;	   /* 0: not given */
	u64 bus_offset;
	unsigned int addr_bits;
	struct dmamap_model_value values[DMAMAP_MODEL_KEYS_MAX]; /* of the model's keys */
	const struct hw_ops *hw;				 /* NULL: simulated */
	struct hw_config config; /* options of the hardware back end */
};

/*
 * Returns 0, -EINVAL with an error message that quotes the word, or -ENOMEM. Call spec_free() only
 * after success.
 */
int spec_parse(struct spec *spec, const char *text);
void spec_free(struct spec *spec);

/* Whether it is a key of every device, or of every simulated one. Changes the error message. */
bool spec_key_is_common(const char *key);

const char *policy_name(enum domain_policy policy);

#endif
