/* SPDX-License-Identifier: BSD-2-Clause */
/* One machine, as the files of this layer see it. */
#ifndef QEMU_PRIVATE_H
#define QEMU_PRIVATE_H

#include "backend/vtd.h"
#include "qemu/options.h"
#include "qemu/process.h"
#include "qemu/qtest.h"

#define VECTORS_MAX 64
#define BARS	    6
#define REASON_MAX  512

struct bar {
	u64 addr, size; /* size 0: there is none */
	bool io;	/* ports, not memory */
};

/* A PCI function; fixed after qemu_connect(). */
struct function {
	struct bar bar[BARS];
	unsigned int msi, msix; /* offsets of the capabilities; 0: none */
	unsigned int vectors;
	struct {
		int bar;
		u32 offset;
	} table; /* of MSI-X */
};

/*
 * What the keeper's life goes through. `state` changes under `lock`, and `changed` tells; the
 * reason is there before DEAD is.
 */
enum machine_state {
	MACHINE_STARTING, /* the keeper has not started QEMU yet */
	MACHINE_RUNNING,
	MACHINE_DEAD, /* QEMU has ended and was waited for */
};

struct qemu {
	struct device *dev;
	struct options options;
	struct words command;
	struct qtest qtest;
	struct function fn;

	pthread_t keeper;
	bool have_keeper, have_qtest;
	int child_fd[PROCESS_FDS]; /* for the child; closed when it has started */
	int qmp_fd, net_fd;	   /* our ends; -1: none */
	int wake_fd;		   /* eventfd: the keeper has something to do */
	struct process process;	   /* the keeper's */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum machine_state state; /* atomic to read without the lock */
	bool want_stop;		  /* atomic */
	int start_error;
	char reason[REASON_MAX]; /* why it is dead */

	/* irq.c */
	enum {
		IRQ_NONE,
		IRQ_MESSAGES,
		IRQ_LINE
	} irq_way; /* atomic; set when all is ready for it */
	struct page *message_page;
	u32 *message;	  /* a word for each vector, written by the device; atomic */
	u64 message_addr; /* where the device writes it */
	u64 active_ns;	  /* atomic: when the driver last touched a register */
	u64 wrote_ns;	  /* atomic: when it last wrote one; 0: never */
	u32 napping;	  /* atomic: the keeper sleeps long, and wants wake_fd */

	/* The IOMMU. */
	struct vtd *vtd;
	pthread_mutex_t faults_lock; /* one takes the records */
	u64 faults_ns;		     /* the keeper's: when it last looked */

	struct pcap *pcap; /* what feeds the network; NULL: none */
};

/* machine.c */
int machine_start(struct qemu *q); /* 0; QEMU answers */
void machine_stop(struct qemu *q); /* it has ended; the keeper, too. Any number of times */
bool machine_is_dead(const struct qemu *q);
/* It must end now. Returns when it has. */
void machine_give_up(struct qemu *q, enum qtest_state why);
int machine_error(struct qemu *q); /* -EIO and a sentence: why it is dead, or about to be */

/* pci.c */
u32 pci_read(struct qemu *q, unsigned int slot, unsigned int offset);
void pci_write(struct qemu *q, unsigned int slot, unsigned int offset, u32 value);
void chipset_setup(struct qemu *q); /* RAM without holes */
int function_find(struct qemu *q);  /* reads its capabilities and places its registers; 0, -errno */
void function_start(struct qemu *q); /* bus mastering on */

/* irq.c */
int irq_take_page(struct qemu *q);
int irq_connect(
	struct qemu *q); /* points the device's messages, or intercepts its line. 0, -errno */
void irq_release(struct qemu *q);
void irq_scan(struct qemu *q); /* passes on what came */
void irq_all(
	struct qemu *q); /* QEMU is gone: who waits for an interrupt gets one, and finds that out */
u64 irq_interval_ns(const struct qemu *q, u64 now); /* until the next scan */
void irq_line(void *arg, unsigned int line, bool raised);

/* pcap.c */
int pcap_start(struct qemu *q, int fd); /* takes the descriptor on success */
void pcap_stop(struct qemu *q);

/* backend.c */
void qemu_collect_faults(struct qemu *q);

#endif
