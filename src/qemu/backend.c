/* SPDX-License-Identifier: BSD-2-Clause */
/* The back end of one device: the operations that the device layer calls. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "qemu/private.h"

#include <string.h>
#include <unistd.h>

#define VTD_REGISTERS 0xfed90000ull /* q35 */
#define DEVICE_SOURCE (DEVICE_SLOT << 3)

static u64 qemu_vtd_read(void *priv, u32 offset, unsigned int size)
{
	struct qemu *q = priv;

	return qtest_read(&q->qtest, VTD_REGISTERS + offset, size);
}

static void qemu_vtd_write(void *priv, u32 offset, unsigned int size, u64 value)
{
	struct qemu *q = priv;

	qtest_write(&q->qtest, VTD_REGISTERS + offset, size, value);
}

static bool qemu_vtd_gone(void *priv)
{
	return machine_is_dead(priv);
}

static void qemu_vtd_give_up(void *priv)
{
	machine_give_up(priv, QTEST_HUNG);
}

static int qemu_start_iommu(struct qemu *q)
{
	const struct vtd_io io = {.priv = q,
				  .read = qemu_vtd_read,
				  .write = qemu_vtd_write,
				  .gone = qemu_vtd_gone,
				  .give_up = qemu_vtd_give_up};
	const struct vtd_config config = {.registers = q->options.registers};

	if (!q->options.iommu)
		return 0;
	q->vtd = vtd_create(&io, &config);
	return q->vtd ? 0 : -errno;
}

static void qemu_close_fd(int *fd)
{
	if (*fd >= 0)
		fork_fd_close(*fd);
	*fd = -1;
}

static void qemu_stop(struct qemu *q)
{
	machine_stop(q);
	pcap_stop(q);
	relay_stop(q);
}

static void qemu_free(void *priv)
{
	struct qemu *q = priv;

	vtd_destroy(q->vtd);
	irq_release(q);
	if (q->have_qtest)
		qtest_fini(&q->qtest);
	qemu_close_fd(&q->qmp_fd);
	qemu_close_fd(&q->net_fd);
	qemu_close_fd(&q->wake_fd);
	dmamap_wire_close(&q->wire);
	words_free(&q->command);
	pthread_mutex_destroy(&q->faults_lock);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	alloc_free(q);
}

static int qemu_start_all(struct qemu *q, const struct hw_config *config)
{
	int err = options_read(&q->options, config);

	if (!err && q->options.wire)
		err = dmamap_wire_open(&q->wire, q->options.wire, "device spec: this process");
	if (!err)
		err = irq_take_page(q);
	if (!err)
		err = machine_start(q);
	if (err)
		return err;
	qemu_close_fd(&q->qmp_fd);
	if (q->net_fd >= 0) {
		err = q->options.wire ? relay_start(q, q->net_fd) : pcap_start(q, q->net_fd);
		if (err)
			return err;
		q->net_fd = -1;
	}
	chipset_setup(q);
	err = function_find(q);
	return err ? err : qemu_start_iommu(q);
}

static int qemu_create(struct device *dev, const struct hw_config *config)
{
	struct qemu *q = alloc_zeroed(sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	q->dev = dev;
	q->qmp_fd = q->net_fd = q->wake_fd = q->wire.fd = -1;
	memset(q->child_fd, 0xff, sizeof(q->child_fd));
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	pthread_mutex_init(&q->faults_lock, NULL);
	err = qemu_start_all(q, config);
	if (err) {
		qemu_stop(q);
		qemu_free(q);
		errno = -err;
		return err;
	}
	dev->ops_priv = q;
	return 0;
}

static void qemu_domain(void *priv, struct domain_config *config)
{
	const struct vtd_limits *limits;
	const struct qemu *q = priv;

	if (!q->vtd)
		return;
	limits = vtd_limits(q->vtd);
	config->ops = &iommu_ops_vtd;
	config->priv = q->vtd;
	config->iova_bits = limits->iova_bits;
	config->leaf_shift = limits->leaf_shift;
	config->map_by_ops = limits->flush_after_map;
}

static int qemu_connect(struct device *dev)
{
	struct qemu *q = dev->ops_priv;
	int err = qemu_irq_connect(q);

	if (!err && q->vtd)
		err = vtd_attach(q->vtd, DEVICE_SOURCE, &q->dev->domain->pt);
	if (err)
		return err;
	/*
	 * a device without interrupts can be used, too; only a failure of QEMU ends the connection
	 */
	if (qemu_irq_setup(q, qemu_irq_best_kind(q), dev->n_irq_fd) == -EIO)
		return -EIO;
	function_start(q);
	return qtest_state(&q->qtest) == QTEST_ALIVE ? 0 : machine_error(q);
}

/* Returns what the page table has now for an address at which an access was refused. */
static int qemu_fault_reason(const struct device *dev, const struct vtd_fault *f)
{
	struct pt *pt = &dev->domain->pt;
	unsigned int side = pt_walk_enter(pt); /* the device may access any address */
	u64 entry = pt_walk(pt, IOVA(f->addr));

	pt_walk_exit(pt, side);
	if (f->reason == 4)
		return DMAMAP_FAULT_ADDRESS;
	if (!entry)
		return DMAMAP_FAULT_NOT_MAPPED;
	return f->write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
}

static void qemu_record_fault(void *arg, const struct vtd_fault *f)
{
	struct device *dev = arg;

	if (f->source == DEVICE_SOURCE)
		device_fault(dev, f->addr, 0, f->write,
			     (enum dmamap_fault_reason)qemu_fault_reason(dev, f));
}

void qemu_collect_faults(struct qemu *q)
{
	bool lost = false;

	if (!q->vtd || machine_is_dead(q))
		return;
	pthread_mutex_lock(&q->faults_lock);
	vtd_faults(q->vtd, qemu_record_fault, q->dev, &lost);
	pthread_mutex_unlock(&q->faults_lock);
	if (lost) {
		lock_acquire(&q->dev->fault_lock);
		q->dev->faults_seen++;
		q->dev->faults_lost++;
		lock_release(&q->dev->fault_lock);
	}
}

/* The driver accessed the device, so an interrupt may follow soon. Pairs with keeper_sleep(). */
static void qemu_expect_interrupt(struct qemu *q)
{
	const u64 one = 1;

	__atomic_store_n(&q->active_ns, clock_ns(), __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&q->napping, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&q->napping, 0, __ATOMIC_SEQ_CST) &&
	    write(q->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full, so the keeper is awake */
}

static bool qemu_register_exists(struct qemu *q, int bar, u64 offset, unsigned int size)
{
	if (bar == QEMU_CONFIG_BAR ? range_within(offset, size, 256)
				   : bar < BARS && range_within(offset, size, q->fn.bar[bar].size))
		return true;
	return device_no_register(q->dev, bar, offset, size);
}

static u64 qemu_config_read(struct qemu *q, u64 offset, unsigned int size)
{
	u64 value = pci_read(q, DEVICE_SLOT, (unsigned int)offset);

	if (size == 8)
		value |= (u64)pci_read(q, DEVICE_SLOT, (unsigned int)offset + 4) << 32;
	return value >> 8 * (offset & 3) & ~0ull >> (64 - 8 * size);
}

static u64 qemu_port_read(struct qemu *q, u64 port, unsigned int size)
{
	u64 low = ~0ull, high = ~0ull;

	if (size == 8) {
		qtest_ask(&q->qtest, &low, "inl 0x%llx", (unsigned long long)port);
		qtest_ask(&q->qtest, &high, "inl 0x%llx", (unsigned long long)port + 4);
		return (low & ~0u) | high << 32;
	}
	qtest_ask(&q->qtest, &low, "in%c 0x%llx",
		  size == 4   ? 'l'
		  : size == 2 ? 'w'
			      : 'b',
		  (unsigned long long)port);
	return low & ~0ull >> (64 - 8 * size);
}

static u64 qemu_reg_read(void *priv, int bar, u64 offset, unsigned int size)
{
	struct qemu *q = ((struct device *)priv)->ops_priv;
	u64 value;

	if (!qemu_register_exists(q, bar, offset, size))
		return ~0ull;
	qemu_expect_interrupt(q);
	if (bar == QEMU_CONFIG_BAR)
		value = qemu_config_read(q, offset, size);
	else if (q->fn.bar[bar].io)
		value = qemu_port_read(q, q->fn.bar[bar].addr + offset, size);
	else
		value = qtest_read(&q->qtest, q->fn.bar[bar].addr + offset, size);
	if (unlikely(qtest_state(&q->qtest) != QTEST_ALIVE))
		machine_error(q);
	return value;
}

static void qemu_port_write(struct qemu *q, u64 port, unsigned int size, u64 value)
{
	qtest_post(&q->qtest, "out%c 0x%llx 0x%llx",
		   size >= 4   ? 'l'
		   : size == 2 ? 'w'
			       : 'b',
		   (unsigned long long)port, (unsigned long long)(size == 8 ? (u32)value : value));
	if (size == 8)
		qtest_post(&q->qtest, "outl 0x%llx 0x%llx", (unsigned long long)port + 4,
			   (unsigned long long)(value >> 32));
}

static void qemu_reg_write(void *priv, int bar, u64 offset, unsigned int size, u64 value)
{
	struct qemu *q = ((struct device *)priv)->ops_priv;

	if (!qemu_register_exists(q, bar, offset, size))
		return;
	if (bar == QEMU_CONFIG_BAR)
		qemu_pci_write_part(q, DEVICE_SLOT, (unsigned int)offset, size, (u32)value);
	else if (q->fn.bar[bar].io)
		qemu_port_write(q, q->fn.bar[bar].addr + offset, size, value);
	else
		qtest_write(&q->qtest, q->fn.bar[bar].addr + offset, size, value);
	qemu_expect_interrupt(q);
	write_once(&q->wrote_ns, read_once(&q->active_ns));
	if (unlikely(qtest_state(&q->qtest) != QTEST_ALIVE))
		machine_error(q);
}

static int qemu_vectors(void *priv)
{
	const struct qemu *q = ((struct device *)priv)->ops_priv;

	return (int)q->fn.vectors;
}

static void qemu_op_flush(void *priv)
{
	struct qemu *q = ((struct device *)priv)->ops_priv;

	if (qtest_flush(&q->qtest))
		machine_error(q);
}

static int qemu_op_irq_setup(void *priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	return qemu_irq_setup(((struct device *)priv)->ops_priv, kind, vectors);
}

static bool qemu_op_irq_rearm(void *priv)
{
	return qemu_irq_line_asserted(((struct device *)priv)->ops_priv);
}

static void qemu_collect_device_faults(void *priv)
{
	struct qemu *q = ((struct device *)priv)->ops_priv;

	if (q)
		qemu_collect_faults(q);
}

static void qemu_device_stop(void *priv)
{
	qemu_stop(((struct device *)priv)->ops_priv);
}

static const struct device_ops device_ops_qemu = {
	.name = "qemu",
	.reg_read = qemu_reg_read,
	.reg_write = qemu_reg_write,
	.reg_flush = qemu_op_flush,
	.irq_vectors = qemu_vectors,
	.irq_setup = qemu_op_irq_setup,
	.irq_rearm = qemu_op_irq_rearm,
	.collect_faults = qemu_collect_device_faults,
	.stop = qemu_device_stop,
};

static void qemu_memory(const struct hw_config *config, struct mem_config *ram)
{
	ram->low_max = QEMU_LOW_MAX;
}

const struct hw_ops hw_qemu = {
	.name = "qemu",
	.any_key = true,
	.ram_only = true,
	.device = &device_ops_qemu,
	.memory = qemu_memory,
	.create = qemu_create,
	.domain = qemu_domain,
	.connect = qemu_connect,
	.free = qemu_free,
};
