/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's side of <dmamap/model.h>: the registered models, the values of their keys, and what
 * the library stores for a device of a model.
 */
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include "domain/device.h"
#include <dmamap/model.h>

/* The models of the library; models.c registers them. */
extern const struct dmamap_model_ops model_dmaengine, model_e1000e, model_edu, model_nvme;

/*
 * models.c. The target of a spec is a name, or the path of a shared object if it contains a slash.
 * Returns the model, which then has one more user, or NULL with an error message.
 */
const struct dmamap_model_ops *model_get(const char *target);
void model_hold(const struct dmamap_model_ops *model); /* one more user of a model that has one */
void model_put(const struct dmamap_model_ops *model);  /* NULL: no effect */
/* Writes "sim, sim:edu, …" into the buffer; shortened if it does not fit. */
void model_list(char *out, size_t size);

/* model_check.c: returns 0, or -EINVAL with an error message. `ops` is the library's copy. */
int model_check(const struct dmamap_model_ops *ops);

/* model_keys.c: uses nothing but base/. */
int model_number(const char *text, bool suffix, u64 *out); /* 0, -EINVAL without a message */
int model_key_find(const struct dmamap_model_ops *model, const char *name); /* -1: no such key */
const char *model_key_type(u32 type); /* its name; NULL: no such type */
void model_values_default(const struct dmamap_model_ops *model, struct dmamap_model_value *values);
/* Checks the text and stores it with its number. Returns 0, or -EINVAL with an error message. */
int model_value_parse(const struct dmamap_model_ops *model, int key, const char *text,
		      struct dmamap_model_value *value);

/* msix.c: the MSI-X table and the pending bits of a device. */
struct model_msix;

/* Bits of model_state.route: why an access is not passed to the model directly. */
#define ROUTE_MEMORY 1u /* the region is memory */
#define ROUTE_MSIX   2u /* it contains the MSI-X table or the pending bits */
#define ROUTE_SERIAL 4u /* threads=0: one call of the model at a time */
#define ROUTE_RESET  8u /* the device is being reset */

/* What the library stores for a device of a model, from before create() to after destroy(). */
struct model_state {
	u8 route[DEVICE_BARS]; /* atomic: ROUTE_* */
	bool stepped;	       /* threads=0 */
	/* the memory of mappable regions, and the file that holds it; fixed */
	void *memory[DEVICE_BARS];
	int memory_fd[DEVICE_BARS];
	struct model_msix *msix; /* NULL: the device has no MSI-X */
	/* held during step() and reset(), with threads=0 during every call of the model */
	pthread_mutex_t turn;
	u32 wanted; /* atomic: threads that wait for `turn` and precede the next step() */
	/* the thread that calls step() */
	pthread_t thread;
	bool has_thread;
	u32 pending, stop;    /* atomic; changed from 0 to 1 before `more` is signalled */
	pthread_mutex_t lock; /* guards the wait for `pending` and `stop` */
	pthread_cond_t more;
};

/* model_run.c */
unsigned int model_vectors(const struct dmamap_model_ops *model); /* most of any kind */
int model_state_make(struct device *dev, bool stepped); /* 0, or -errno with an error message */
void model_state_free(struct device *dev);		/* no effect without a state */
/* Creates the model and starts its thread. Returns 0, or -errno with an error message. */
int model_start(struct device *dev, const struct dmamap_model_value *values);
void model_stop(struct device *dev); /* ends the thread and destroys the model */
bool model_line(struct device *dev); /* whether the interrupt line is asserted */
void model_config_written(struct device *dev, u64 offset, unsigned int size, u64 value);

/* model_access.c: reg_read and reg_write of a simulated device. */
u64 model_access_read(void *priv, int bar, u64 offset, unsigned int size);
void model_access_write(void *priv, int bar, u64 offset, unsigned int size, u64 value);

/* msix.c */
int msix_make(struct device *dev); /* 0, or -ENOMEM; no effect without MSI-X */
/* Unmasks the first n vectors, masks the others and clears the pending bits. */
void msix_begin(struct device *dev, unsigned int n);
void msix_clear_pending(struct device *dev);
bool msix_hold(struct device *dev, unsigned int vector); /* masked: sets its pending bit */
/* Whether the access is inside the table or the pending bits; then it is performed. */
bool msix_read(struct device *dev, int bar, u64 offset, unsigned int size, u64 *value);
bool msix_write(struct device *dev, int bar, u64 offset, unsigned int size, u64 value);

#endif
