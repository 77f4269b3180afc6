/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and closing devices. `lock` guards the list of open devices, in which names are unique. A
 * device is in it from the start of open to the end of close.
 *
 * Open sets up RAM, the bounce memory, the domain, thread slots, interrupts and the model, in this
 * order. Close proceeds in the reverse order: it stops the model first, so that no access is in
 * progress after that.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/trap.h"
#include "bus/demand.h"
#include "check/check.h"
#include "device/config.h"
#include "device/irq.h"
#include "device/model.h"
#include "device/spec.h"
#include "dmapool/dmapool.h"
#include "domain/hold.h"
#include "map/bounce.h"
#include "map/coherent.h"
#include "map/managed.h"
#include "map/twostep.h"
#include "regcache/regcache.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LEAKS_NAMED 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct device *open_devices; /* under lock */

/* Under lock. */
static struct device *device_find_by_name(const char *name)
{
	struct device *d;

	for (d = open_devices; d && strcmp(d->name, name) != 0; d = d->next)
		;
	return d;
}

static bool name_taken(const char *name)
{
	return device_find_by_name(name) != NULL;
}

struct device *dmamap_find(const char *name)
{
	struct device *dev;

	pthread_mutex_lock(&lock);
	dev = name ? device_find_by_name(name) : NULL;
	if (dev && !read_acquire(&dev->open))
		dev = NULL;
	pthread_mutex_unlock(&lock);
	return dev ? dev
		   : error_null(ENODEV, "no open device has the name %s", name ? name : "(NULL)");
}

/* A QEMU device is named after its type, a PCI function after its back end. */
static const char *hw_name(const struct spec *spec)
{
	return spec->hw->any_key ? spec->config.target : spec->hw->name;
}

/* Uses the key name=, or the model's name with the first free number. Under lock. */
static int choose_name(struct device *dev, const struct spec *spec)
{
	char made[SPEC_NAME_MAX + 1];

	if (spec->name && name_taken(spec->name))
		return error_set(EBUSY,
				 "device name %s is taken: choose another name= or close the other "
				 "device",
				 spec->name);
	for (unsigned int i = 0; !spec->name; i++) {
		snprintf(made, sizeof(made), "%.24s%u",
			 spec->hw      ? hw_name(spec)
			 : spec->model ? spec->model->name
				       : "sim",
			 i);
		if (!name_taken(made))
			break;
	}
	dev->name = alloc_string(spec->name ? spec->name : made);
	return dev->name ? 0 : -ENOMEM;
}

/* Returns the lowest number that no other open device has. Under lock. */
static unsigned int choose_slot(void)
{
	unsigned int slot = 0;

	for (struct device *d = open_devices; d;) {
		if (d->slot == slot) {
			slot++;
			d = open_devices;
		} else {
			d = d->next;
		}
	}
	return slot;
}

static int list_device(struct device *dev, const struct spec *spec)
{
	int err;

	pthread_mutex_lock(&lock);
	err = choose_name(dev, spec);
	if (!err) {
		dev->slot = choose_slot();
		dev->next = open_devices;
		open_devices = dev;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static void unlist_device(struct device *dev)
{
	struct device **p;

	pthread_mutex_lock(&lock);
	for (p = &open_devices; *p && *p != dev; p = &(*p)->next)
		;
	if (*p)
		*p = dev->next;
	pthread_mutex_unlock(&lock);
}

static void close_interrupts(struct device *dev)
{
	write_release(&dev->n_irq, 0);
	for (unsigned int i = 0; i < dev->n_irq_fd; i++)
		fork_fd_close(dev->irq_fd[i]);
	alloc_free(dev->irq_fd);
	dev->irq_fd = NULL;
	dev->n_irq_fd = 0;
}

static int open_interrupts(struct device *dev)
{
	unsigned int n = dev->model ? model_vectors(dev->model)
			 : dev->hw  ? (unsigned int)dev->ops.irq_vectors(dev)
				    : 0;

	dev->irq_fd = alloc_array(n ? n : 1, sizeof(*dev->irq_fd));
	if (!dev->irq_fd)
		return -ENOMEM;
	for (; dev->n_irq_fd < n; dev->n_irq_fd++) {
		int fd = fail_here(FAIL_MEMORY, NULL) ? (errno = EMFILE, -1)
						      : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			int err = error_set(errno,
					    "%s: no eventfd for interrupt %u: the process has too "
					    "many open files (ulimit -n)",
					    dev->name, dev->n_irq_fd);

			close_interrupts(dev);
			return err;
		}
		fork_fd_add(fd);
		dev->irq_fd[dev->n_irq_fd] = fd;
	}
	return 0;
}

static void set_fields(struct device *dev, const struct spec *spec)
{
	dev->iommu = spec->iommu;
	dev->coherent = spec->coherent;
	dev->untrusted = spec->untrusted;
	dev->check = spec->check || spec->check_all;
	dev->strict = spec->policy != POLICY_LAZY || spec->untrusted;
	dev->identity_mapped = spec->iommu && spec->policy >= POLICY_IDENTITY;
	dev->identity = dev->coherent && !device_translates_ram(dev);
	dev->policy_name = spec->iommu ? policy_name(spec->policy) : "direct";
	dev->bus_offset = spec->bus_offset;
	dev->address_last = ~0ull >> (64 - spec->addr_bits);
	dev->coherent_mask = DMA_BIT_MASK(32);
	dev->sync_writes = spec->sync_writes;
	dev->max_seg_size = 65536;
	dev->seg_boundary = DMA_BIT_MASK(32);
	dev->model = spec->model;
	dev->ops = (struct device_ops){.name = "sim"};
	if (dev->model) {
		model_hold(dev->model);
		dev->ops.reg_read = model_access_read;
		dev->ops.reg_write = model_access_write;
	}
	if (spec->hw) {
		dev->ops = *spec->hw->device;
		dev->hw = spec->hw;
		dev->stuck = DEVICE_STUCK;
		dev->ram_only = spec->hw->ram_only;
		dev->address_last = 0;
	}
	dev->careful = dev->untrusted || dev->identity_mapped || device_bounces_foreign(dev);
	dev->sync_looks = dev->untrusted || device_bounces_foreign(dev);
	device_ops_complete(&dev->ops);
}

/* A hardware back end sets the properties of the address space. */
static int device_start_hw(struct device *dev, const struct spec *spec, struct domain_config *space)
{
	int err = dev->hw->create(dev, &spec->config);

	if (err)
		return err;
	/* create() may have set where the device's addresses begin */
	device_set_mask(dev, dev->dma_mask);
	dev->hw->domain(dev->ops_priv, space);
	return 0;
}

static int start_machine(struct device *dev, const struct spec *spec)
{
	struct mem_config ram = {.ram = spec->ram, .swiotlb = spec->swiotlb};
	struct domain_config space = {.iommu = spec->iommu,
				      .group = spec->group,
				      .policy = spec->untrusted ? POLICY_STRICT : spec->policy,
				      .any_32bit = !spec->forcedac,
				      .untrusted = spec->untrusted};
	int err;

	err = trap_get();
	if (err)
		return err;
	if (dev->hw)
		dev->hw->memory(&spec->config, &ram);
	err = mem_get(&ram);
	if (err)
		goto put_trap;
	if (!spec->coherent)
		err = mem_need_device_view();
	if (err)
		goto put_mem;
	dev->view = spec->coherent ? mem.base : read_once(&mem.device_view);
	device_set_mask(dev, DMA_BIT_MASK(32));
	err = bounce_get();
	if (err)
		goto put_mem;
	if (dev->hw)
		err = device_start_hw(dev, spec, &space);
	if (err)
		goto put_bounce;
	space.bus_offset = dev->bus_offset;
	dev->domain = domain_get(&space);
	if (dev->domain)
		return 0;
	err = errno ? -errno : -ENOMEM;
	if (dev->hw) {
		dev->ops.stop(dev);
		dev->hw->free(dev->ops_priv);
	}
put_bounce:
	bounce_put();
put_mem:
	mem_put();
put_trap:
	trap_put();
	return err;
}

static void stop_machine(struct device *dev)
{
	if (dev->hw)
		dev->ops.stop(dev);
	domain_put(dev->domain);
	if (dev->hw)
		dev->hw->free(dev->ops_priv);
	bounce_put();
	mem_put();
	trap_put();
}

static void start_checker(struct device *dev, const struct spec *spec)
{
	if (!dev->check)
		return;
	check_open(&dev->shadow, dev, (u64)(uintptr_t)dev->domain, dev->bus_offset, dev->coherent,
		   !dev->strict);
	/* a device opens without this check if there is no memory for it */
	if (spec->check_own && dmamap_check_own(dev, true))
		log_line(LOG_ERROR, "%s: DMAMAP_CHECK=own: %s", dev->name, error_text());
}

static int device_start(struct device *dev, const struct spec *spec)
{
	int err = start_machine(dev, spec);

	if (err)
		return err;
	err = device_threads_init(dev);
	if (err)
		goto stop;
	err = twostep_open(dev);
	if (err)
		goto fini;
	err = regcache_open(dev);
	if (err)
		goto close_twostep;
	err = open_interrupts(dev);
	if (err)
		goto device_close_regcache;
	err = sim_config_make(dev);
	if (!err)
		err = model_state_make(dev, spec->stepped);
	if (err)
		goto close_irq;
	if (!dev->hw)
		sim_irq_start(dev);
	start_checker(dev, spec);
	/*
	 * as Linux documents, the mask of a PCI function is 32 bits until its driver sets another
	 */
	if (dev->hw || dev->sim_config)
		write_once(&dev->shadow.mask_set, true);
	if (dev->hw)
		err = dev->hw->connect(dev);
	else if (dev->model)
		err = model_start(dev, spec->values);
	if (!err)
		return 0;
	check_close(&dev->shadow);
	dev->ops.stop(dev); /* no more interrupts are counted after this */
	model_state_free(dev);
close_irq:
	close_interrupts(dev);
	config_free(dev);
device_close_regcache:
	regcache_close(dev);
close_twostep:
	twostep_close(dev);
fini:
	device_threads_fini(dev);
stop:
	stop_machine(dev);
	return err;
}

struct device *dmamap_open(const char *text)
{
	struct device *dev;
	struct spec spec;
	int err;

	err = spec_parse(&spec, text);
	if (err)
		return NULL;
	err = check_environment(&spec.check_all, &spec.check_own);
	if (err)
		goto free_spec;
	dev = alloc_aligned(64, (sizeof(*dev) + 63) & ~63ull);
	if (!dev)
		goto free_spec;
	pthread_mutex_init(&dev->setup_lock, NULL);
	dev->fork_depth = fork_depth;
	err = list_device(dev, &spec);
	if (err)
		goto free_dev;
	set_fields(dev, &spec);
	err = device_start(dev, &spec);
	if (err)
		goto unlist;
	spec_free(&spec);
	write_release(&dev->open, true);
	return dev;
unlist:
	unlist_device(dev);
	model_put(dev->model);
	error_prefix("cannot open %s", text);
	errno = -err;
free_dev:
	pthread_mutex_destroy(&dev->setup_lock);
	alloc_free(dev->name);
	alloc_free(dev);
free_spec:
	spec_free(&spec);
	return NULL;
}

struct leak_list {
	struct device *dev;
	u64 left; /* number of further mappings to report */
};

static bool name_leak(void *arg, iova_t iova, u64 size)
{
	struct leak_list *l = arg;

	check_report(l->dev, l->dev->check, DMAMAP_CHECK_LEAK, iova.v + l->dev->bus_offset, size,
		     DMA_NONE, "a mapping of %llu pages at %#llx was never unmapped",
		     (unsigned long long)(size >> PAGE_BITS),
		     (unsigned long long)(iova.v + l->dev->bus_offset));
	return --l->left > 0;
}

/*
 * Reports mappings that still exist. In a group the page table also has other devices' mappings, so
 * they are only counted.
 */
static void report_leaks(struct device *dev)
{
	struct leak_list list = {.dev = dev};
	struct dmamap_stats stats = {0};
	u64 live;

	device_stats(dev, &stats);
	if (stats.iova_ranges)
		check_report(dev, dev->check, DMAMAP_CHECK_LEAK, 0, 0, DMA_NONE,
			     "%llu two-step ranges were never freed",
			     (unsigned long long)stats.iova_ranges);
	live = stats.maps - stats.unmaps;
	if (!live || (s64)live < 0)
		return;
	list.left = min_u64(live, LEAKS_NAMED);
	if (dev->iommu && !dev->domain->group)
		pt_for_each_mapping(&dev->domain->pt, name_leak, &list);
	if (live > LEAKS_NAMED || list.left == live)
		check_report(dev, dev->check, DMAMAP_CHECK_LEAK, 0, 0, DMA_NONE,
			     "%llu mappings were never unmapped", (unsigned long long)live);
}

/* Reports the leaks that the checker has recorded, with their stacks. */
static void find_leaks(struct device *dev)
{
	u64 n = dma_pool_report_leaks(dev);

	n += check_leaks(&dev->shadow);
	if (n)
		error_set(EINVAL,
			  "%s: %llu mappings, allocations or pools were left when it was closed",
			  dev->name, (unsigned long long)n);
}

static void free_coherent_leaks(struct device *dev)
{
	u64 bytes, n = coherent_release(dev, &bytes);

	if (n)
		check_report(
			dev, false, DMAMAP_CHECK_LEAK, 0, bytes, DMA_NONE,
			"%llu blocks of coherent memory, %llu bytes, were never freed: freed now",
			(unsigned long long)n, (unsigned long long)bytes);
}

void dmamap_close(struct device *dev)
{
	if (!dev || device_inherited(dev))
		return;
	write_release(&dev->open, false);
	if (dev->model)
		model_stop(dev);
	else
		dev->ops.stop(dev);
	hold_drop_all(dev);
	copied_drop_all(dev);
	device_release_managed(dev);
	regcache_drop_idle(dev);
	if (dev->check)
		find_leaks(dev);
	else
		report_leaks(dev);
	free_coherent_leaks(dev);
	bounce_release(dev);
	check_close(&dev->shadow);
	model_state_free(dev);
	close_interrupts(dev);
	config_free(dev);
	regcache_close(dev);
	twostep_close(dev);
	device_threads_fini(dev);
	stop_machine(dev);
	unlist_device(dev);
	model_put(dev->model);
	pthread_mutex_destroy(&dev->setup_lock);
	alloc_free(dev->name);
	alloc_free(dev);
}

static void open_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	fork_forget(&open_devices, sizeof(open_devices));
}

FORK_HOOK(open_hook, NULL, NULL, open_fork_child);
