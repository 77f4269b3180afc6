/* SPDX-License-Identifier: BSD-2-Clause */
/* One machine: the state that the files of this folder share. */
#ifndef QEMU_PRIVATE_H
#define QEMU_PRIVATE_H

#include "backend/vtd.h"
#include <dmamap/wire.h>
#include "qemu/options.h"
#include "qemu/process.h"
#include "qemu/qtest.h"

#define VECTORS_MAX 64
#define BARS	    6
#define REASON_MAX  512

struct qemu_bar {
	u64 addr, size; /* size 0: there is no such BAR */
	bool io;	/* I/O ports, not memory */
};

/* A PCI function; fixed after qemu_connect(). */
struct qemu_function {
	struct qemu_bar bar[BARS];
	unsigned int msi, msix; /* offsets of the capabilities in configuration space; 0: none */
	bool line;		/* it has an interrupt line */
	unsigned int vectors;	/* of MSI-X; 1 without it */
	struct {
		int bar;
		u32 offset;
	} table; /* of MSI-X */
};

/*
 * The states of a machine. `state` changes under `lock`, and `changed` is signalled then. The
 * reason is stored before the state becomes DEAD.
 */
enum machine_state {
	MACHINE_STARTING, /* the keeper has not started QEMU yet */
	MACHINE_RUNNING,
	MACHINE_DEAD, /* QEMU has ended and was reaped */
};

struct qemu {
	struct device *dev;
	struct qemu_options options;
	struct options_words command;
	struct qtest qtest;
	struct qemu_function fn;

	pthread_t keeper;
	bool have_keeper, have_qtest;
	int child_fd[PROCESS_FDS]; /* the child's descriptors; closed when it has started */
	int qmp_fd, net_fd;	   /* this process's ends; -1: none */
	int wake_fd;		   /* eventfd that wakes the keeper */
	struct process process;	   /* used by the keeper, and by process_is_runnable() */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum machine_state state; /* may be read atomically without the lock */
	bool want_stop;		  /* atomic */
	int start_error;
	char reason[REASON_MAX]; /* why QEMU ended */

	/* irq.c */
	enum {
		IRQ_NONE,
		IRQ_MESSAGES,
		IRQ_LINE
	} irq_way;  /* atomic; set when interrupts of this kind can be handled */
	u64 irq_ns; /* atomic: time of the last interrupt; 0: none yet */
	u64 lines;  /* atomic: inputs of the interrupt controller that are asserted */
	struct page *message_page;
	u32 *message;	  /* a word for each vector, which the device writes; atomic */
	u64 message_addr; /* the device address of `message` */
	u64 active_ns;	  /* atomic: when the driver last accessed a register */
	u64 wrote_ns;	  /* atomic: when the driver last wrote a register; 0: never */
	u32 napping;	  /* atomic: the keeper sleeps for long and must be woken through wake_fd */

	/* The IOMMU. */
	struct vtd *vtd;
	pthread_mutex_t faults_lock; /* serializes reading the fault records */
	u64 faults_ns;		     /* used by the keeper: when it last collected faults */

	struct pcap *pcap;	 /* the network's other end; NULL: none */
	struct dmamap_wire wire; /* wire=; fd -1: none */
	struct relay *relay;	 /* its thread; NULL: none */
};

/* machine.c */
int machine_start(struct qemu *q); /* 0: QEMU runs and responds */
void machine_stop(struct qemu *q); /* ends QEMU and the keeper; may be called more than once */
bool machine_is_dead(const struct qemu *q);
/* Ends the machine. Returns when QEMU has ended. */
void machine_give_up(struct qemu *q, enum qtest_state why);
/* -EIO with an error message: why QEMU has ended or will end. */
int machine_error(struct qemu *q);

/* pci.c */
u32 pci_read(struct qemu *q, unsigned int slot, unsigned int offset);
void pci_write(struct qemu *q, unsigned int slot, unsigned int offset, u32 value);
/* Writes only these bytes: 1, 2 or 4, aligned. */
void qemu_pci_write_part(struct qemu *q, unsigned int slot, unsigned int offset, unsigned int size,
			 u32 value);
void chipset_setup(struct qemu *q); /* RAM without holes */
/* Reads its capabilities and assigns addresses to its BARs; 0, -errno. */
int function_find(struct qemu *q);
void function_start(struct qemu *q);		  /* enables bus mastering */
void qemu_function_line(struct qemu *q, bool on); /* enables or disables its interrupt line */

/* irq.c */
int irq_take_page(struct qemu *q);
int qemu_irq_connect(struct qemu *q); /* maps the page of messages. 0, -errno */
/* See device_ops.irq_setup. */
int qemu_irq_setup(struct qemu *q, enum dmamap_irq_kind kind, unsigned int vectors);
enum dmamap_irq_kind qemu_irq_best_kind(const struct qemu *q);
bool qemu_irq_line_asserted(struct qemu *q); /* after all earlier writes */
void irq_release(struct qemu *q);
void irq_scan(struct qemu *q); /* forwards the messages that have arrived */
/* Called when QEMU has ended: signals every interrupt, so that no thread waits for one forever. */
void irq_all(struct qemu *q);
u64 irq_interval_ns(const struct qemu *q, u64 now); /* the time until the next scan */
void irq_line(void *arg, unsigned int line, bool raised);

/* pcap.c */
int pcap_start(struct qemu *q, int fd); /* owns the descriptor on success */
void pcap_stop(struct qemu *q);

/* relay.c */
int relay_start(struct qemu *q, int fd); /* owns the descriptor on success */
void relay_stop(struct qemu *q);

/* backend.c */
void qemu_collect_faults(struct qemu *q);

#endif
