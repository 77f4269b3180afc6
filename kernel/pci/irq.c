/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. A line has a number: 11 for the pin, 32 and up for messages. Every requested line has
 * a thread that waits for the device's eventfd. It runs handlers as hard interrupts and threaded
 * handlers as tasks. disable_irq() keeps an interrupt pending.
 */
#include "pci.h"

#define LINES	 96
#define LINE_PIN 11
#define LINE_MSG 32
#define ACTIONS	 8

struct irq_action {
	irq_handler_t handler, thread;
	unsigned long flags;
	void *id;
	const char *name;
};

struct irq_line {
	struct host_mutex lock; /* guards the fields below */
	struct host_cond cond;
	struct irq_action actions[ACTIONS];
	unsigned int n_actions, disabled, running;
	bool pending, stopping;
	unsigned long thread, unhandled;
	unsigned long context; /* context id of the thread */
};

static struct irq_line lines[LINES];

static struct irq_line *irq_line_find(unsigned int irq)
{
	return irq < LINES ? &lines[irq] : NULL;
}

static unsigned int irq_vector(unsigned int irq)
{
	return irq >= LINE_MSG ? irq - LINE_MSG : 0;
}

/*
 * Runs the handlers once. Called with the line's lock held, which is released while a handler runs.
 */
static void irq_run(struct irq_line *l, int irq)
{
	struct kmod_context *c = kmod_context();
	irqreturn_t any = IRQ_NONE;

	l->pending = false;
	l->running = 1;
	for (unsigned int i = 0; i < l->n_actions; i++) {
		struct irq_action a = l->actions[i];
		irqreturn_t r = IRQ_WAKE_THREAD;

		host_unlock(&l->lock);
		if (a.handler) {
			c->hardirq = 1;
			KMOD_CALL_FN(a.name, a.handler, r = a.handler(irq, a.id));
			c->hardirq = 0;
		}
		if (r == IRQ_WAKE_THREAD && a.thread)
			KMOD_CALL_FN(a.name, a.thread, r = a.thread(irq, a.id));
		if (r != IRQ_NONE && r != IRQ_HANDLED && r != IRQ_WAKE_THREAD)
			kmod_finding_of((unsigned long)a.handler, "irq-return", NULL, NULL,
					"the handler %s returned %d", a.name, r);
		any |= r;
		host_lock(&l->lock);
	}
	l->running = 0;
	kmod_progressed();
	host_broadcast(&l->cond);
	l->unhandled = any ? 0 : l->unhandled + 1;
	if (l->unhandled == 1000) {
		unsigned long handler = (unsigned long)l->actions[0].handler;

		host_unlock(&l->lock);
		kmod_finding_of(handler, "irq-nobody-cared", NULL, NULL,
				"interrupt %d occurred 1000 times and no handler has handled it",
				irq);
		host_lock(&l->lock);
		l->disabled++;
	}
}

static void irq_main(void *arg)
{
	int irq = (int)(long)arg;
	struct irq_line *l = &lines[irq];
	int fd = dmamap_irq_fd(kmod_pci_device->dev.dma, irq_vector((unsigned int)irq));
	unsigned long count;

	kmod_context()->what = "interrupt";
	host_lock(&l->lock);
	l->context = kmod_context()->id;
	while (!l->stopping) {
		int got;

		if (l->pending && !l->disabled) {
			irq_run(l, irq);
			host_unlock(&l->lock);
			dmamap_irq_eoi(kmod_pci_device->dev.dma, irq_vector((unsigned int)irq));
			host_lock(&l->lock);
			continue;
		}
		if (l->pending) {
			host_wait_until(&l->cond, &l->lock, host_now() + 20000000);
			continue;
		}
		host_unlock(&l->lock);
		got = host_event_wait(fd, 20, &count);
		if (got < 0)
			host_sleep(20000000);
		host_lock(&l->lock);
		l->pending |= got > 0;
	}
	host_unlock(&l->lock);
}

int request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread,
			 unsigned long flags, const char *name, void *dev_id)
{
	struct irq_line *l = irq_line_find(irq);

	kmod_might_sleep("request_irq");
	if (!l || (!handler && !thread) ||
	    dmamap_irq_fd(kmod_pci_device->dev.dma, irq_vector(irq)) < 0)
		return -EINVAL;
	if (flags & IRQF_SHARED && !dev_id)
		return -EINVAL;
	if (kmod_fail("irq"))
		return -ENOMEM;
	host_lock(&l->lock);
	if (l->n_actions == ACTIONS ||
	    (l->n_actions && !(flags & l->actions[0].flags & IRQF_SHARED))) {
		host_unlock(&l->lock);
		return -EBUSY;
	}
	l->actions[l->n_actions++] =
		(struct irq_action){handler, thread, flags, dev_id, name ? name : "irq"};
	if (l->n_actions == 1) {
		l->stopping = l->pending = false;
		l->unhandled = 0;
		l->disabled = flags & IRQF_NO_AUTOEN ? 1 : 0;
		l->thread = host_thread_start(irq_main, (void *)(long)irq, l->actions[0].name);
	}
	kmod_ledger_add(KMOD_IRQ, l, irq); /* one entry per line */
	host_unlock(&l->lock);
	return 0;
}

const void *free_irq(unsigned int irq, void *dev_id)
{
	struct irq_line *l = irq_line_find(irq);
	const char *name = NULL;
	unsigned int i;

	kmod_might_sleep("free_irq");
	if (!l)
		return NULL;
	host_lock(&l->lock);
	for (i = 0; i < l->n_actions && l->actions[i].id != dev_id; i++)
		;
	if (i == l->n_actions) {
		host_unlock(&l->lock);
		kmod_finding("irq-not-requested",
			     "free_irq() of interrupt %u, which is not requested for this dev_id",
			     irq);
		return NULL;
	}
	name = l->actions[i].name;
	if (l->context == kmod_context()->id)
		kmod_finding("self-wait", "an interrupt handler waits for its own end");
	while (l->running && l->context != kmod_context()->id)
		host_wait(&l->cond, &l->lock);
	l->actions[i] = l->actions[--l->n_actions];
	if (!l->n_actions) {
		l->stopping = true;
		host_broadcast(&l->cond);
		host_unlock(&l->lock);
		host_thread_join(l->thread);
		host_lock(&l->lock);
		kmod_ledger_del(KMOD_IRQ, l);
	}
	host_unlock(&l->lock);
	return name;
}

bool kmod_irq_busy(void)
{
	bool busy = false;

	for (unsigned int i = 0; i < LINES && !busy; i++) {
		struct irq_line *l = &lines[i];

		host_lock(&l->lock);
		busy = l->running || (l->pending && !l->disabled);
		host_unlock(&l->lock);
	}
	return busy;
}

/* Called at the end of a run: stops the threads of interrupts that the driver has not freed. */
void kmod_irq_stop(void)
{
	for (unsigned int i = 0; i < LINES; i++) {
		struct irq_line *l = &lines[i];

		unsigned int left;

		host_lock(&l->lock);
		left = l->n_actions;
		l->stopping = true;
		host_broadcast(&l->cond);
		host_unlock(&l->lock);
		if (left && l->thread)
			host_thread_join(l->thread);
	}
}

struct managed_irq {
	unsigned int irq;
	void *id;
};

static void irq_managed_free(void *data)
{
	struct managed_irq *m = data;

	free_irq(m->irq, m->id);
	host_free(m);
}

int devm_request_threaded_irq(struct device *dev, unsigned int irq, irq_handler_t handler,
			      irq_handler_t thread, unsigned long flags, const char *name, void *id)
{
	struct managed_irq *m = kmod_calloc(NULL, 1, sizeof(*m));
	int err = m ? request_threaded_irq(irq, handler, thread, flags, name, id) : -ENOMEM;

	if (err) {
		host_free(m);
		return err;
	}
	m->irq = irq;
	m->id = id;
	return devm_add_action_or_reset(dev, irq_managed_free, m);
}

void synchronize_irq(unsigned int irq)
{
	struct irq_line *l = irq_line_find(irq);

	kmod_might_sleep("synchronize_irq");
	if (!l)
		return;
	host_lock(&l->lock);
	while (l->running && l->context != kmod_context()->id)
		host_wait(&l->cond, &l->lock);
	host_unlock(&l->lock);
}

void disable_irq_nosync(unsigned int irq)
{
	struct irq_line *l = irq_line_find(irq);

	if (!l)
		return;
	host_lock(&l->lock);
	l->disabled++;
	host_unlock(&l->lock);
}

void disable_irq(unsigned int irq)
{
	disable_irq_nosync(irq);
	synchronize_irq(irq);
}

bool disable_hardirq(unsigned int irq)
{
	disable_irq_nosync(irq);
	synchronize_irq(irq);
	return true;
}

void enable_irq(unsigned int irq)
{
	struct irq_line *l = irq_line_find(irq);

	if (!l)
		return;
	host_lock(&l->lock);
	if (!l->disabled)
		kmod_finding("unbalanced", "enable_irq(%u) of an interrupt that is not disabled",
			     irq);
	else
		l->disabled--;
	host_broadcast(&l->cond);
	host_unlock(&l->lock);
}

unsigned long probe_irq_on(void)
{
	return 0;
}

int probe_irq_off(unsigned long mask)
{
	return 0;
}

/* Vectors. */
static int irq_setup(struct pci_dev *d, enum dmamap_irq_kind kind, unsigned int n)
{
	int got;

	if (kmod_fail("irq"))
		return -ENOSPC;
	got = dmamap_irq_setup(d->dev.dma, kind, n);
	if (got > 0) {
		d->irq_kind = kind;
		d->vectors = (u8)got;
	}
	return got;
}

static void irq_back_to_pin(struct pci_dev *d)
{
	for (unsigned int i = LINE_MSG; i < LINES; i++) {
		if (lines[i].n_actions)
			kmod_finding("irq-vectors-in-use",
				     "interrupt vectors are freed while interrupt %u is requested",
				     i);
	}
	if (dmamap_irq_setup(d->dev.dma, DMAMAP_IRQ_INTX, 1) > 0)
		d->irq_kind = DMAMAP_IRQ_INTX;
	d->vectors = 1;
	d->msi_enabled = d->msix_enabled = 0;
}

int pci_enable_msi(struct pci_dev *d)
{
	int got;

	if (!d->msi_cap)
		return -EINVAL;
	got = irq_setup(d, DMAMAP_IRQ_MSI, 1);
	if (got < 0)
		return got;
	d->msi_enabled = 1;
	d->irq = LINE_MSG;
	return 0;
}

void pci_disable_msi(struct pci_dev *d)
{
	if (!d->msi_enabled)
		return;
	irq_back_to_pin(d);
	d->irq = LINE_PIN;
}

int pci_msix_vec_count(struct pci_dev *d)
{
	u16 control;

	if (!d->msix_cap)
		return -EINVAL;
	pci_read_config_word(d, d->msix_cap + PCI_MSIX_FLAGS, &control);
	return (control & PCI_MSIX_FLAGS_QSIZE) + 1;
}

int pci_enable_msix_range(struct pci_dev *d, struct msix_entry *e, int min, int max)
{
	int count = pci_msix_vec_count(d), got;

	if (min > max)
		return -ERANGE;
	if (count < 0)
		return count;
	if (count < min)
		return -ENOSPC;
	got = irq_setup(d, DMAMAP_IRQ_MSIX, (unsigned int)min_t(int, max, count));
	if (got < min) {
		if (got > 0)
			irq_back_to_pin(d);
		return got < 0 ? got : -ENOSPC;
	}
	for (int i = 0; e && i < got; i++)
		e[i].vector = LINE_MSG + e[i].entry;
	d->msix_enabled = 1;
	return got;
}

int pci_enable_msix_exact(struct pci_dev *d, struct msix_entry *e, int n)
{
	int got = pci_enable_msix_range(d, e, n, n);

	return got < 0 ? got : 0;
}

void pci_disable_msix(struct pci_dev *d)
{
	if (d->msix_enabled)
		irq_back_to_pin(d);
}

int pci_alloc_irq_vectors(struct pci_dev *d, unsigned int min, unsigned int max, unsigned int flags)
{
	int got = -ENOSPC;

	if (flags & PCI_IRQ_MSIX && d->msix_cap)
		got = pci_enable_msix_range(d, NULL, (int)min, (int)max);
	if (got < 0 && flags & PCI_IRQ_MSI && d->msi_cap && min <= 1)
		got = pci_enable_msi(d) ? -ENOSPC : 1;
	if (got < 0 && flags & PCI_IRQ_INTX && min <= 1 && d->pin)
		got = 1;
	return got;
}

void pci_free_irq_vectors(struct pci_dev *d)
{
	pci_disable_msi(d);
	pci_disable_msix(d);
}

int pci_irq_vector(struct pci_dev *d, unsigned int nr)
{
	if (nr >= max_t(unsigned int, d->vectors, 1))
		return -EINVAL;
	return d->msix_enabled || d->msi_enabled ? (int)(LINE_MSG + nr) : (int)d->irq;
}
