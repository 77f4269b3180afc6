/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device models: devices in software, written against this header and <dmamap/bus.h> alone. A model
 * is a table of properties and functions, struct dmamap_model_ops. A program that contains the
 * model calls dmamap_model_register() and opens "sim:NAME". A model in a shared object is opened by
 * its path ("sim:./mydevice.so"), or by its name if DMAMAP_MODELS lists the object; see
 * dmamap-model(7).
 *
 * Threads: read, write and line are called by any thread of the driver, several at once. `step` is
 * called by one thread at a time. Data that they share needs a lock. With the key threads=0 all
 * functions of the model are called one at a time.
 *
 * Context of every function, unless its comment says otherwise: any thread, from the beginning of
 * the model's create() to the end of its destroy().
 */
#ifndef DMAMAP_MODEL_H
#define DMAMAP_MODEL_H

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <dmamap/types.h>
#include <pthread.h>

DMAMAP_BEGIN

/* The version changes when the library would misread an older table; new fields change `size` only.
 */
#define DMAMAP_MODEL_VERSION  1u
#define DMAMAP_MODEL_REGIONS  6
#define DMAMAP_MODEL_KEYS_MAX 32

/* Types of a key's value. */
enum dmamap_model_key_type {
	DMAMAP_MODEL_STRING = 1, /* any text; least and most limit its length */
	DMAMAP_MODEL_BOOL = 2,	 /* 0 or 1 */
	DMAMAP_MODEL_U64 = 3,	 /* decimal, or hexadecimal with 0x */
	DMAMAP_MODEL_SIZE = 4,	 /* as U64, with an optional suffix K, M, G or T */
	DMAMAP_MODEL_ENUM = 5,	 /* one of `choices` */
	DMAMAP_MODEL_FILE = 6,	 /* a path, not empty */
};

/* A key of the device spec that only this model has: sim:NAME,key=value. */
struct dmamap_model_key {
	const char *name;	    /* a letter, then letters, digits, "-" and "_" */
	u32 type;		    /* enum dmamap_model_key_type */
	const char *help;	    /* one line, for `dmamap info sim:NAME` */
	const char *default_value;  /* as it would be written in a spec; NULL: none */
	u64 least, most;	    /* limits of the value; most 0: no upper limit */
	const char *const *choices; /* of an ENUM; NULL after the last */
	u64 reserved[2];	    /* 0 */
};

/* The value of one key, checked by the library. It is valid while create() runs. */
struct dmamap_model_value {
	const char *text; /* as written, or the default; NULL: neither */
	u64 number;	  /* of U64, SIZE and BOOL; of an ENUM the index in `choices`; else 0 */
	bool given;	  /* the spec has the key; false: this is the default */
};

/*
 * Flags of a region: DMAMAP_BAR_* of <dmamap/device.h>. A region with DMAMAP_BAR_MAPPABLE is memory
 * that the driver and the model share (dmamap_bar_map(), dmamap_model_memory()); read and write are
 * not called for it.
 */
struct dmamap_model_region {
	u64 size;   /* bytes, a power of two; 0: the device has no region of this number */
	u32 flags;  /* DMAMAP_BAR_* */
	u32 access; /* sum of the access sizes that the region accepts: 1, 2, 4, 8 */
};

/* A vendor-specific capability of PCI configuration space. */
struct dmamap_model_capability {
	const u8 *data; /* the bytes after ID, link and length */
	u32 length;	/* of data */
};

/* What the device's PCI configuration space contains. */
struct dmamap_model_pci {
	u16 vendor, device, subsystem_vendor, subsystem;
	u32 class_code; /* 24 bits: class, subclass, programming interface */
	u8 revision;
	bool express; /* a PCI Express endpoint */
	bool intx;    /* has an interrupt line: the model has the function `line` */
	u8 msi;	      /* number of MSI messages, 0 to 32 */
	u16 msix;     /* number of MSI-X messages, 0 to 2048 */
	u8 table_bar; /* the region that contains the MSI-X table, 16 bytes for each message */
	u8 pba_bar;   /* the region that contains the pending bits (PBA), 8 bytes for 64 messages */
	u32 table_offset, pba_offset; /* multiples of 8 */
	u32 n_capabilities;
	const struct dmamap_model_capability *capabilities;
	u64 reserved[4]; /* 0 */
};

/* Flags of a model. */
/*
 * The model starts its own threads, unless dmamap_model_stepped() returns true; the library starts
 * none for `step`.
 */
#define DMAMAP_MODEL_OWN_THREADS 0x1u

/*
 * A model. The table and what it points to stay unchanged until dmamap_model_unregister(). A field
 * that is not set is 0. `create` and `destroy` are required. `read` and `write` are required if the
 * device has a region that is not mappable.
 */
struct dmamap_model_ops {
	size_t size;	  /* sizeof(struct dmamap_model_ops); new fields are added at the end */
	u32 version;	  /* DMAMAP_MODEL_VERSION */
	u32 flags;	  /* DMAMAP_MODEL_* */
	const char *name; /* sim:NAME: 1 to 24 letters, digits, ".", "_" and "-" */
	const char *help; /* one line */
	const struct dmamap_model_key *keys;
	u32 n_keys;
	struct dmamap_model_pci pci;
	struct dmamap_model_region region[DMAMAP_MODEL_REGIONS];

	/*
	 * Creates one device. values[i] is the value of keys[i]. Returns 0 and sets *model, or
	 * -errno after dmamap_model_error(). On failure nothing is left allocated.
	 */
	int (*create)(struct device *dev, const struct dmamap_model_value *values, void **model);
	/*
	 * Stops the model's own threads and frees it. Every access of the driver and every call of
	 * `step` has ended before. The device makes no access to memory afterwards.
	 */
	void (*destroy)(void *model);
	/*
	 * Register accesses. The library has checked that [offset, offset + size) is inside the
	 * region and aligned to the size, and that the region accepts this size. Accesses to the
	 * MSI-X table and the pending bits are not passed to the model. A register that does not
	 * exist reads as all ones.
	 */
	u64 (*read)(void *model, int bar, u64 offset, unsigned int size);
	void (*write)(void *model, int bar, u64 offset, unsigned int size, u64 value);
	/* With pci.intx: returns whether the interrupt line is asserted now. */
	bool (*line)(void *model);
	/*
	 * Sets all registers to their initial values and drops all work. The device makes no access
	 * to memory and raises no interrupt for the dropped work after the function has returned.
	 * `step` does not run meanwhile. Register accesses that begin meanwhile are not passed to
	 * the model; one that began earlier may still run. NULL: the device cannot be reset.
	 */
	void (*reset)(void *model, enum dmamap_reset_kind kind);
	/*
	 * Does a bounded part of the pending work, without waiting. Returns whether there is more.
	 * A thread of the library calls it until it returns false, and again after each
	 * dmamap_model_wake(); with threads=0, dmamap_model_step() calls it. NULL: the device works
	 * in `write` or in its own threads only, and threads=0 is refused.
	 */
	bool (*step)(void *model);
	/* Called after the driver has changed bytes of configuration space; may be NULL. */
	void (*config_written)(void *model, unsigned int offset, unsigned int size, u64 value);
};

/* The first fields of a table, for its initializer. */
#define DMAMAP_MODEL_HEAD .size = sizeof(struct dmamap_model_ops), .version = DMAMAP_MODEL_VERSION

/**
 * dmamap_model_entry() - The function that the shared object of a model exports.
 * @version: the library's DMAMAP_MODEL_VERSION.
 *
 * The library calls it once after it has loaded the object. The function cannot access registers
 * or open devices.
 * Return: the model's table. NULL: the model cannot be used with this version of the library.
 */
__attribute__((visibility("default"))) const struct dmamap_model_ops *
dmamap_model_entry(u32 version);

/**
 * dmamap_model_register() - Make a model available as sim:NAME.
 * @ops: the model.
 * Context: any thread, at any time.
 * Return: 0. -EINVAL: the table is wrong; the error message names the field. -EEXIST: another model
 *   has the name. -ENOMEM: no memory is left; a retry helps after some was freed.
 */
DMAMAP_API int dmamap_model_register(const struct dmamap_model_ops *ops);

/**
 * dmamap_model_unregister() - Remove a model of dmamap_model_register().
 * @ops: the model.
 * Context: any thread, at any time.
 * Return: 0: no device uses the model, and none can be opened any more. -EBUSY: a device of the
 *   model is open, nothing changes; a retry helps after dmamap_close(). -ENOENT: @ops is not
 *   registered.
 */
DMAMAP_API int dmamap_model_unregister(const struct dmamap_model_ops *ops);

/**
 * dmamap_model_interrupt() - Raise an interrupt.
 * @dev: the device.
 * @vector: the message. If the driver uses the interrupt line, it is ignored, and the call reports
 *   that the line has risen.
 *
 * A message that the driver does not use is lost, as is every message while bus mastering is off. A
 * message that is masked in the MSI-X table sets its pending bit and is sent when it is unmasked.
 */
DMAMAP_API void dmamap_model_interrupt(struct device *dev, unsigned int vector);

/**
 * dmamap_model_wake() - Report that `step` has work to do.
 * @dev: the device.
 *
 * A model calls it after it has stored the work, usually from `write`.
 */
DMAMAP_API void dmamap_model_wake(struct device *dev);

/**
 * dmamap_model_stepped() - Test whether the device was opened with threads=0.
 * @dev: the device.
 * Return: true: the model must not start a thread.
 */
DMAMAP_API bool dmamap_model_stepped(const struct device *dev);

/**
 * dmamap_model_step() - Do a part of the work of a device that was opened with threads=0.
 * @dev: the device.
 * Context: a thread of the program, at any time until dmamap_close().
 * Return: 1: there is more work. 0: the device is idle. -EINVAL: @dev is not such a device.
 */
DMAMAP_API int dmamap_model_step(struct device *dev);

/**
 * dmamap_model_memory() - Return the memory of a mappable region.
 * @dev: the device.
 * @bar: the number of the region.
 *
 * The driver may change the memory at any time, so a model reads each word once and checks it.
 * Return: the memory, zeroed when the device was opened. NULL: the region is not mappable.
 */
DMAMAP_API void *dmamap_model_memory(struct device *dev, int bar);

/**
 * dmamap_model_error() - Set errno and the error message that dmamap_strerror() returns.
 * @err: a positive errno.
 * @fmt: a format of printf() and its arguments. The message says what was asked, why it failed and
 *   what to do.
 * Context: any thread, at any time.
 * Return: -@err.
 */
DMAMAP_API int dmamap_model_error(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * dmamap_model_alloc() - Allocate memory for the model.
 * @size: the number of bytes.
 *
 * The plan of dmamap_fail() for the site "memory" includes these allocations.
 * Context: any thread, at any time.
 * Return: zeroed memory, aligned to 64 bytes. NULL: no memory is left, with errno ENOMEM and an
 *   error message; a retry helps after some was freed.
 */
DMAMAP_API void *dmamap_model_alloc(size_t size);

/**
 * dmamap_model_free() - Free memory of dmamap_model_alloc().
 * @p: the memory, or NULL. errno is unchanged.
 * Context: any thread, at any time.
 */
DMAMAP_API void dmamap_model_free(void *p);

/* A lock for a few instructions. Zeroed memory is an unlocked one. */
struct dmamap_model_lock {
	u32 taken; /* only the two functions below access it */
};

/**
 * dmamap_model_lock() - Acquire a lock; spins, then yields the processor.
 * @lock: the lock, which this thread does not hold.
 */
DMAMAP_API void dmamap_model_lock(struct dmamap_model_lock *lock);

/**
 * dmamap_model_unlock() - Release a lock.
 * @lock: the lock, which this thread holds.
 */
DMAMAP_API void dmamap_model_unlock(struct dmamap_model_lock *lock);

enum dmamap_model_log_level {
	DMAMAP_MODEL_LOG_ERROR = 1,
	DMAMAP_MODEL_LOG_WARN = 2,
	DMAMAP_MODEL_LOG_INFO = 3,
	DMAMAP_MODEL_LOG_DEBUG = 4,
};

/**
 * dmamap_model_log() - Write a line to the log (standard error) if DMAMAP_LOG permits the level.
 * @level: the level.
 * @fmt: a format of printf() and its arguments, without a newline.
 * Context: any thread, at any time. errno is unchanged.
 */
DMAMAP_API void dmamap_model_log(enum dmamap_model_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * dmamap_model_misuse() - Report a mistake of the driver.
 * @dev: the device.
 * @fmt: a format of printf() and its arguments: what the driver did, and what the device permits.
 *
 * `dmamap serve --check` reports it. Otherwise it is a line of the log at level INFO.
 * Context: any thread, from the beginning of create() to the end of destroy(). errno is unchanged.
 */
DMAMAP_API void dmamap_model_misuse(struct device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * dmamap_model_clock() - Return the time.
 * Context: any thread, at any time.
 * Return: nanoseconds of CLOCK_MONOTONIC.
 */
DMAMAP_API u64 dmamap_model_clock(void);

/**
 * dmamap_model_thread_start() - Start a thread of the model; pthread_join() waits for its end.
 * @thread: receives the thread; it is unchanged on failure.
 * @fn: the thread's function.
 * @arg: its argument.
 * @model: the beginning of an error message, such as "sim:edu".
 *
 * All signals are blocked in the thread, so that no signal handler of the program runs in it. It
 * does not exist in a child of fork.
 * Return: 0. -EAGAIN: there are too many threads, with an error message; a retry helps after some
 *   have ended.
 */
DMAMAP_API int dmamap_model_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg,
					 const char *model);

/**
 * dmamap_model_fd_add() - Close a descriptor of the model in every child of fork.
 * @fd: the descriptor, which would otherwise keep a file locked or a connection open there.
 */
DMAMAP_API void dmamap_model_fd_add(int fd);

/**
 * dmamap_model_fd_close() - Close a descriptor of dmamap_model_fd_add(). errno is unchanged.
 * @fd: the descriptor.
 */
DMAMAP_API void dmamap_model_fd_close(int fd);

DMAMAP_END

#endif
