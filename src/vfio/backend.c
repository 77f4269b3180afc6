/* SPDX-License-Identifier: BSD-2-Clause */
/* The back end of one function: the operations that the device layer calls. */
#include "vfio/calls.h"
#include "vfio/private.h"
#include "vfio/vfio.h"
#include "vfio/why.h"
#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const vfio_keys[] = {"irq", "vectors", NULL};

static const char *vfio_arg_value(const struct hw_config *config, const char *key)
{
	for (int i = 0; i < config->n_args; i++)
		if (!strcmp(config->arg[i].key, key))
			return config->arg[i].value;
	return NULL;
}

static int vfio_read_irq_keys(struct vfio_function *f, const struct hw_config *config)
{
	const char *irq = vfio_arg_value(config, "irq"),
		   *vectors = vfio_arg_value(config, "vectors");
	char *end = NULL;
	int err;

	if (irq && strcmp(irq, "msix") != 0 && strcmp(irq, "msi") != 0 && strcmp(irq, "intx") != 0)
		return error_set(EINVAL, "device spec: irq=%s: the value must be msix, msi or intx",
				 irq);
	err = irq_describe(f, irq);
	if (err || !vectors)
		return err;
	f->vectors_most = (unsigned int)min_u64(strtoul(vectors, &end, 10), f->vectors_most);
	f->vectors = (unsigned int)min_u64(f->vectors_most, f->vectors);
	if (!*vectors || *end || *vectors == '-')
		return error_set(EINVAL, "device spec: vectors=%s: the value must be a number",
				 vectors);
	return 0;
}

static void vfio_function_close(struct vfio_function *f)
{
	fork_remove(f);
	if (f->fd >= 0)
		vfio_calls->close(f->fd);
	f->fd = -1;
	if (f->space)
		space_put(f->space);
	alloc_free(f);
}

static int vfio_function_open(struct vfio_function *f, const struct vfio_kernel *kernel,
			      const struct hw_config *config)
{
	bool identity = config->policy == POLICY_IDENTITY || config->policy == POLICY_PERSISTENT;
	struct pci_address address;
	int err = pci_address_parse(&address, config->target);

	if (err)
		return err;
	pci_function_read(&f->pci, &address);
	err = why_function(&f->pci);
	if (err)
		return err;
	f->space = space_get(kernel, &f->pci);
	if (!f->space)
		return -errno;
	err = fork_add(f);
	if (err)
		return err;
	f->fd = kernel->open_device(f->space, &f->pci);
	if (f->fd < 0)
		return f->fd;
	err = space_limit(f->space, identity);
	if (!err)
		err = function_describe(f);
	if (!err)
		err = vfio_read_irq_keys(f, config);
	if (!err)
		err = function_reset(f);
	if (!err)
		err = function_map_regions(f);
	if (!err && identity)
		mem_make_large();
	return err;
}

static int vfio_device_create(struct device *dev, const struct vfio_kernel *kernel,
			      const struct hw_config *config)
{
	struct vfio_function *f = alloc_zeroed(sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->dev = dev;
	f->fd = f->req_fd = f->err_fd = f->intx_fd = f->wake_fd = -1;
	err = vfio_function_open(f, kernel, config);
	if (err) {
		function_unmap_regions(f);
		vfio_function_close(f);
		errno = -err;
		return err;
	}
	vfio_function_describe_bars(f);
	dev->bus_offset = f->space->offset;
	dev->ops_priv = f;
	return 0;
}

static int vfio_create(struct device *dev, const struct hw_config *config)
{
	return vfio_device_create(dev, &vfio_type1, config);
}

static int iommufd_create(struct device *dev, const struct hw_config *config)
{
	return vfio_device_create(dev, &vfio_iommufd, config);
}

static void vfio_domain(void *priv, struct domain_config *config)
{
	struct vfio_function *f = priv;

	config->ops = &iommu_ops_vfio;
	config->priv = f->space;
	config->group = f->space->name;
	config->map_by_ops = config->by_range = true;
	config->usable = f->space->usable;
	config->n_usable = f->space->n_usable;
}

static int vfio_connect(struct device *dev)
{
	struct vfio_function *f = dev->ops_priv;
	int err = watch_start(f);

	if (!err)
		err = vfio_irq_connect(f);
	return err ? err : function_master(f, true);
}

static void vfio_stop(void *priv)
{
	struct vfio_function *f = ((struct device *)priv)->ops_priv;

	if (!f || f->fd < 0)
		return;
	watch_stop(f);
	if (!f->gone) {
		function_master(f, false);
		irq_stop(f);
		function_reset(f);
	}
	function_unmap_regions(f);
	/* the kernel resets it here, too */
	vfio_calls->close(f->fd);
	f->fd = -1;
}

static void vfio_free(void *priv)
{
	vfio_function_close(priv);
}

static u64 vfio_read(void *priv, int bar, u64 offset, unsigned int size)
{
	return vfio_function_read(((struct device *)priv)->ops_priv, bar, offset, size);
}

static void vfio_write(void *priv, int bar, u64 offset, unsigned int size, u64 value)
{
	function_write(((struct device *)priv)->ops_priv, bar, offset, size, value);
}

static int vfio_vectors(void *priv)
{
	return (int)((struct vfio_function *)((struct device *)priv)->ops_priv)->vectors_most;
}

static void vfio_op_flush(void *priv)
{
	vfio_function_flush(((struct device *)priv)->ops_priv);
}

static int vfio_op_irq_setup(void *priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	static const enum irq_kind kinds[] = {[DMAMAP_IRQ_INTX] = IRQ_INTX,
					      [DMAMAP_IRQ_MSI] = IRQ_MSI,
					      [DMAMAP_IRQ_MSIX] = IRQ_MSIX};

	return vfio_irq_setup(((struct device *)priv)->ops_priv, kinds[kind], vectors);
}

/* The kernel signals a line that is still asserted. */
static bool vfio_op_irq_rearm(void *priv)
{
	irq_unmask_line(((struct device *)priv)->ops_priv);
	return false;
}

static const struct device_ops device_ops_vfio = {
	.name = "vfio",
	.reg_read = vfio_read,
	.reg_write = vfio_write,
	.reg_flush = vfio_op_flush,
	.irq_vectors = vfio_vectors,
	.irq_setup = vfio_op_irq_setup,
	.irq_rearm = vfio_op_irq_rearm,
	.stop = vfio_stop,
};

/* Returns the KiB on a line of /proc/meminfo; 0 if there is no such line. */
static u64 vfio_available_kib(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && !kib && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) != 1)
			kib = 0;
	if (f)
		fclose(f);
	return kib;
}

/*
 * Chooses the size of RAM that can be pinned, from the memory that is available and that this
 * process may pin. ram= overrides it.
 */
static void vfio_memory(const struct hw_config *config, struct mem_config *ram)
{
	u64 size = 256 * MIB, there = vfio_available_kib() * KIB;
	struct rlimit limit;

	if (there)
		size = min_u64(size, there / 4);
	if (geteuid() && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		size = min_u64(size, limit.rlim_cur / 4 * 3);
	ram->ram_default = align_down(max_u64(size, 4 * MIB), 2 * MIB);
	ram->pinned = true;
}

const struct hw_ops hw_vfio = {
	.name = "vfio",
	.keys = vfio_keys,
	.device = &device_ops_vfio,
	.memory = vfio_memory,
	.create = vfio_create,
	.domain = vfio_domain,
	.connect = vfio_connect,
	.free = vfio_free,
};

const struct hw_ops hw_iommufd = {
	.name = "iommufd",
	.keys = vfio_keys,
	.device = &device_ops_vfio,
	.memory = vfio_memory,
	.create = iommufd_create,
	.domain = vfio_domain,
	.connect = vfio_connect,
	.free = vfio_free,
};
