/* SPDX-License-Identifier: BSD-2-Clause */
/* The back end of one device: its keys, and the operations that the device layer calls. */
#include "vfuclient/private.h"
#include "vfuclient/vfuclient.h"
#include "base/alloc.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_S 10
#define TIMEOUT_MAX_S	  3600

static const char *const vfuclient_keys[] = {"irq", "vectors", "timeout", "dma", NULL};

static const char *backend_key(const struct hw_config *config, const char *key)
{
	for (int i = 0; i < config->n_args; i++)
		if (!strcmp(config->arg[i].key, key))
			return config->arg[i].value;
	return NULL;
}

/* Reads a number from `least` to `most`; without the key *out is unchanged. */
static int backend_read_number(const struct hw_config *config, const char *key, unsigned long least,
			       unsigned long most, unsigned long *out)
{
	const char *value = backend_key(config, key);
	unsigned long n;
	char *end;

	if (!value)
		return 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || n < least || n > most)
		return error_set(EINVAL,
				 "device spec: %s=%s: the value must be a number from %lu to %lu",
				 key, value, least, most);
	*out = n;
	return 0;
}

/* The value must be one of `n` words. -EINVAL with an error message. */
static int backend_check_word(const char *key, const char *value, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (!value || !strcmp(value, words[i]))
			return 0;
	return error_set(EINVAL, "device spec: %s=%s: the value must be one of %s, %s%s%s", key,
			 value, words[0], words[1], n > 2 ? ", " : "", n > 2 ? words[2] : "");
}

static int backend_read_keys(struct vfuclient *c, const struct hw_config *config)
{
	static const char *const dma[] = {"fd", "message"}, *const irq[] = {"msix", "msi", "intx"};
	const char *way = backend_key(config, "dma");
	unsigned long timeout = TIMEOUT_DEFAULT_S, vectors = VECTORS_MAX;
	int err = backend_check_word("dma", way, dma, 2);

	if (!err)
		err = backend_check_word("irq", backend_key(config, "irq"), irq, 3);
	if (!err)
		err = backend_read_number(config, "timeout", 1, TIMEOUT_MAX_S, &timeout);
	if (!err)
		err = backend_read_number(config, "vectors", 0, VECTORS_MAX, &vectors);
	c->timeout_ms = timeout * 1000;
	c->vectors_most = (unsigned int)vectors;
	c->messages = c->dev->untrusted || (way && *way == 'm');
	return err;
}

/* Connects, reads the device's description and resets it. 0, or -errno with an error message. */
static int backend_open(struct vfuclient *c, const struct hw_config *config)
{
	int err = backend_read_keys(c, config);

	if (!err)
		err = vfuclient_start(c, config->target);
	if (!err && !c->server.max_msg_fds)
		c->messages = true; /* the server receives no descriptors */
	if (!err)
		err = vfuclient_describe(c);
	if (!err)
		err = vfuclient_irq_describe(c, backend_key(config, "irq"));
	if (!err)
		err = vfuclient_reset(c);
	if (!err)
		vfuclient_describe_bars(c);
	return err;
}

static void backend_free(void *priv)
{
	struct vfuclient *c = priv;

	vfuclient_unmap_regions(c);
	vfuclient_keeper_close(c);
	vfuclient_end(c);
	pthread_mutex_destroy(&c->report_lock);
	pthread_mutex_destroy(&c->partial_lock);
	alloc_free(c);
}

static int backend_create(struct device *dev, const struct hw_config *config)
{
	struct vfuclient *c = alloc_zeroed(sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->dev = dev;
	c->path = config->target;
	c->fork_depth = fork_depth;
	c->channel.fd = c->wake_fd = c->intx_fd = -1;
	c->pieces.random = 1;
	pthread_mutex_init(&c->io, NULL);
	pthread_mutex_init(&c->partial_lock, NULL);
	pthread_mutex_init(&c->report_lock, NULL);
	err = backend_open(c, config);
	if (err) {
		backend_free(c);
		errno = -err;
		return err;
	}
	c->path = NULL;
	dev->ops_priv = c;
	return 0;
}

static void backend_domain(void *priv, struct domain_config *config)
{
	config->ops = &iommu_ops_vfuclient;
	config->priv = priv;
	config->map_by_ops = config->by_range = true;
}

static int backend_connect(struct device *dev)
{
	struct vfuclient *c = dev->ops_priv;
	int err = vfuclient_keeper_start(c);

	if (!err)
		err = vfuclient_irq_connect(c);
	return err ? err : vfuclient_master(c, true);
}

/*
 * The connection stays open: remaining mappings are unmapped later, and the server confirms every
 * unmap, so that it does not access memory that has another owner by then.
 */
static void backend_stop(void *priv)
{
	struct vfuclient *c = ((struct device *)priv)->ops_priv;

	if (!c || c->stopped)
		return;
	if (!vfuclient_is_dead(c)) {
		vfuclient_master(c, false);
		vfuclient_irq_stop(c);
		vfuclient_reset(c);
	}
	vfuclient_refuse_all(c);
	vfuclient_keeper_stop(c);
	vfuclient_unmap_regions(c);
}

static u64 backend_read(void *priv, int bar, u64 offset, unsigned int size)
{
	return vfuclient_read(((struct device *)priv)->ops_priv, bar, offset, size);
}

static void backend_write(void *priv, int bar, u64 offset, unsigned int size, u64 value)
{
	vfuclient_write(((struct device *)priv)->ops_priv, bar, offset, size, value);
}

static void backend_flush(void *priv)
{
	vfuclient_flush(((struct device *)priv)->ops_priv);
}

static int backend_vectors(void *priv)
{
	return (int)((struct vfuclient *)((struct device *)priv)->ops_priv)->vectors_most;
}

static int backend_irq_setup(void *priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	static const enum vfuser_irq kinds[] = {[DMAMAP_IRQ_INTX] = VFUSER_IRQ_INTX,
						[DMAMAP_IRQ_MSI] = VFUSER_IRQ_MSI,
						[DMAMAP_IRQ_MSIX] = VFUSER_IRQ_MSIX};

	return vfuclient_irq_setup(((struct device *)priv)->ops_priv, kinds[kind], vectors);
}

static bool backend_irq_rearm(void *priv)
{
	struct vfuclient *c = ((struct device *)priv)->ops_priv;

	if (c->irq == VFUSER_IRQ_INTX)
		vfuclient_irq_unmask(c);
	return false; /* the server signals the line again if it is still asserted */
}

static void backend_collect_faults(void *priv)
{
	struct vfuclient *c = ((struct device *)priv)->ops_priv;

	if (c)
		vfuclient_report_faults(c);
}

static void backend_memory(const struct hw_config *config, struct mem_config *ram)
{
}

static const struct device_ops device_ops_vfuclient = {
	.name = "vfio-user",
	.reg_read = backend_read,
	.reg_write = backend_write,
	.reg_flush = backend_flush,
	.irq_vectors = backend_vectors,
	.irq_setup = backend_irq_setup,
	.irq_rearm = backend_irq_rearm,
	.collect_faults = backend_collect_faults,
	.stop = backend_stop,
};

const struct hw_ops hw_vfio_user = {
	.name = "vfio-user",
	.keys = vfuclient_keys,
	.device = &device_ops_vfuclient,
	.memory = backend_memory,
	.create = backend_create,
	.domain = backend_domain,
	.connect = backend_connect,
	.free = backend_free,
};
