#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/credentials.h"
#include "client/cpp/lib/errors.h"
#include "grpcpp/grpcpp.h"

namespace mgral::client {

// Sends items through a stream whose responses acknowledge a growing prefix of them
// (RegisterImages, IngestLabels, PutPredictions). Unacknowledged items are kept and sent again
// first when a broken stream is replaced. Single use, by one thread.
template <typename Item, typename Request, typename Response>
class AckedStream {
 public:
  using Stream = grpc::ClientReaderWriter<Request, Response>;

  struct Call {
    std::function<std::unique_ptr<Stream>(grpc::ClientContext*)> open;
    Request first;                      // what a stream's first message has beside items
    Item* (Request::*add)() = nullptr;  // adds an item to a message
  };
  // Takes a response of a stream whose first item is the source's item number `base`.
  using Answer = std::function<void(const Response&, int64_t base)>;

  AckedStream(const ClientOptions& options, const StreamOptions& limits, Call call,
              Source<Item> source, AcknowledgedCallback acknowledged)
      : options_(options),
        limits_(limits),
        call_(std::move(call)),
        source_(std::move(source)),
        callback_(std::move(acknowledged)) {}

  // Runs until the source ends and everything is acknowledged. Gives up after retry.max_attempts
  // streams without a single acknowledgment, or, when there were some, after
  // options.reconnect_patience.
  absl::Status Run(const Answer& answer) {
    if (!PullItem()) return source_status_;
    absl::Duration outage;
    for (int attempt = 1;; ++attempt) {
      const int64_t before = acknowledged_;
      const absl::Status status = RunOneStream(answer);
      if (source_ended_ && pending_.empty()) return source_status_;
      if (!IsBroken(status)) return status;
      if (acknowledged_ > before) {
        attempt = 1;
        outage = absl::ZeroDuration();
      }
      const absl::Duration delay = options_.retry.Delay(status, attempt);
      outage += delay;
      if (acknowledged_ == 0 ? attempt >= options_.retry.max_attempts
                             : outage > options_.reconnect_patience) {
        return status;
      }
      options_.retry.Wait(delay);
      ++reconnects_;
    }
  }

  int64_t reconnects() const { return reconnects_; }

 private:
  struct Pending {
    Item item;
    int64_t bytes;
  };

  // Sending again is safe here, so errors that look like a server shutdown or a proxy reset count.
  // DEADLINE_EXCEEDED and ABORTED come from RunOneStream alone.
  bool IsBroken(const absl::Status& status) const {
    return options_.retry.IsRetryable(status) || absl::IsAborted(status) ||
           absl::IsCancelled(status) || (absl::IsInternal(status) && Reason(status).empty()) ||
           absl::IsDeadlineExceeded(status);
  }

  absl::Status RunOneStream(const Answer& answer) {
    grpc::ClientContext context;
    AddApiKey(options_, &context);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      base_ = acknowledged_;
      sent_ = 0;
      chunk_ends_.clear();
      reader_done_ = stalled_ = false;
      protocol_error_.clear();
    }
    std::unique_ptr<Stream> stream = call_.open(&context);
    std::thread reader([&] { ReadAnswers(stream.get(), &context, answer); });
    WriteAll(stream.get(), &context);
    WaitForReader(&context);
    reader.join();
    const absl::Status status = FromGrpc(stream->Finish());
    if (!protocol_error_.empty()) return absl::DataLossError(protocol_error_);
    if (stalled_) return absl::DeadlineExceededError("the server acknowledged nothing in time");
    if (status.ok() && !pending_.empty()) {
      return absl::AbortedError("the server ended the stream before it acknowledged everything");
    }
    return status;
  }

  void ReadAnswers(Stream* stream, grpc::ClientContext* context, const Answer& answer) {
    Response response;
    while (stream->Read(&response)) {
      std::unique_lock<std::mutex> lock(mutex_);
      if (response.acknowledged() < acknowledged_ - base_ || response.acknowledged() > sent_) {
        protocol_error_ = "the server acknowledges items that were not sent, or takes one back";
        context->TryCancel();
        continue;
      }
      while (acknowledged_ - base_ < response.acknowledged()) {
        pending_.pop_front();
        ++acknowledged_;
      }
      while (!chunk_ends_.empty() && chunk_ends_.front() <= response.acknowledged()) {
        chunk_ends_.pop_front();
      }
      answer(response, base_);
      const int64_t done = acknowledged_;
      lock.unlock();
      changed_.notify_all();
      if (callback_) callback_(done);
    }
    std::lock_guard<std::mutex> lock(mutex_);
    reader_done_ = true;
    changed_.notify_all();
  }

  void WriteAll(Stream* stream, grpc::ClientContext* context) {
    for (bool first = true;; first = false) {
      if (!WaitForRoom(context)) return;
      Request request = first ? call_.first : Request();
      if (!FillChunk(&request)) {
        stream->WritesDone();
        return;
      }
      if (!stream->Write(request)) return;
    }
  }

  // Waits until another chunk may be sent; false when the stream is over.
  bool WaitForRoom(grpc::ClientContext* context) {
    return WaitWhile(context, [this] {
      return static_cast<int>(chunk_ends_.size()) >= limits_.max_chunks_in_flight;
    });
  }

  void WaitForReader(grpc::ClientContext* context) {
    WaitWhile(context, [] { return true; });
  }

  // Waits while `busy` and the stream lives. No acknowledgment for options.timeout cancels it.
  template <typename Busy>
  bool WaitWhile(grpc::ClientContext* context, const Busy& busy) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!reader_done_ && busy()) {
      const int64_t before = acknowledged_;
      const bool woke = changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.timeout), [&] {
        return reader_done_ || !busy() || acknowledged_ > before;
      });
      if (!woke) {
        if (stalled_) continue;
        stalled_ = true;
        context->TryCancel();
      }
    }
    return !reader_done_;
  }

  // Adds the next unsent items to the message, those of a broken stream first; false if there are
  // none. Pulls from the source without the lock: it may read files.
  bool FillChunk(Request* request) {
    int items = 0;
    int64_t bytes = 0;
    while (items < limits_.chunk_items && (items == 0 || bytes < limits_.chunk_bytes)) {
      std::unique_lock<std::mutex> lock(mutex_);
      const size_t next = static_cast<size_t>(sent_ - (acknowledged_ - base_));
      if (next == pending_.size()) {
        lock.unlock();
        if (!PullItem()) break;
        lock.lock();
      }
      const Pending& pending = pending_[static_cast<size_t>(sent_ - (acknowledged_ - base_))];
      if (items > 0 && bytes + pending.bytes > limits_.chunk_bytes) break;
      *(request->*call_.add)() = pending.item;
      bytes += pending.bytes;
      ++items;
      ++sent_;
    }
    if (items == 0) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    chunk_ends_.push_back(sent_);
    return true;
  }

  bool PullItem() {
    if (source_ended_) return false;
    absl::StatusOr<std::optional<Item>> item = source_();
    if (!item.ok()) source_status_ = item.status();
    if (!item.ok() || !item->has_value()) {
      source_ended_ = true;
      return false;
    }
    const int64_t bytes = static_cast<int64_t>((*item)->ByteSizeLong());
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.push_back({**std::move(item), bytes});
    return true;
  }

  const ClientOptions& options_;
  const StreamOptions limits_;
  const Call call_;
  const Source<Item> source_;
  const AcknowledgedCallback callback_;
  bool source_ended_ = false;
  absl::Status source_status_;
  int64_t reconnects_ = 0;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Pending> pending_;     // not acknowledged, oldest first
  std::deque<int64_t> chunk_ends_;  // sent_ after each chunk that is not acknowledged
  int64_t acknowledged_ = 0;        // of the source
  int64_t base_ = 0;                // acknowledged_ when this stream began
  int64_t sent_ = 0;                // of this stream
  bool reader_done_ = false;
  bool stalled_ = false;
  std::string protocol_error_;
};

}  // namespace mgral::client
