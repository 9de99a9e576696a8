"""Arabic. Ids, words of protocols and what providers said are not translated."""

from gateway.web.ops import sentences_ar

TEXTS: dict[str, str] = {
    **sentences_ar.TEXTS,
    # the frame, signing in
    "Skip to the page": "تخطَّ إلى المحتوى",
    "Find an order": "ابحث عن طلب",
    "Player, order, reference": "لاعب أو طلب أو مرجع",
    "Pages": "الصفحات",
    "Now": "الآن",
    "Orders": "الطلبات",
    "Stuck": "العالقة",
    "Providers": "المزوّدون",
    "Callbacks": "الردود الواردة",
    "Notifications": "الإشعارات الصادرة",
    "Bulk actions": "الإجراءات الجماعية",
    "More": "المزيد",
    "Need a person:": "تحتاج إلى تدخّل:",
    "All times {zone}": "الأوقات كلها بتوقيت {zone}",
    "{time} ago": "منذ {time}",
    "viewer": "مشاهد",
    "operator": "مشغّل",
    "admin": "مدير",
    "Sign in": "تسجيل الدخول",
    "Sign out": "تسجيل الخروج",
    "Name": "الاسم",
    "Password": "كلمة المرور",
    "Key": "المفتاح",
    "With an API key instead": "أو بمفتاح API",
    "with the scope ops, of no tenant": "بصلاحية ops، ولا يخصّ متجراً بعينه",
    "Sign in with the key": "الدخول بالمفتاح",
    "The name or the password is wrong.": "الاسم أو كلمة المرور غير صحيحة.",
    "The key is not valid, or is not for this page.": "المفتاح غير صالح، أو ليس لهذه الصفحة.",
    "Your sign-ins": "جلساتك",
    "Sign-ins of others": "جلسات الآخرين",
    "this one": "هذه الجلسة",
    "since {time}": "منذ {time}",
    "last seen {time}": "آخر نشاط {time}",
    "End": "إنهاء",
    "This did not work ({status})": "لم يتمّ ذلك ({status})",
    "To the first page": "إلى الصفحة الأولى",
    # states
    "Not sent": "لم يُرسَل",
    "Being sent": "يُرسَل الآن",
    "Sent": "مُرسَل",
    "Processing": "قيد التنفيذ",
    "Completed": "مكتمل",
    "Failed": "فشل",
    "Reversed": "مُسترجَع",
    "Needs a person": "يحتاج إلى تدخّل",
    "The provider contradicts itself": "المزوّد يناقض نفسه",
    "The provider cannot be asked": "لا يمكن الاستعلام لدى المزوّد",
    "Delivered, then taken back": "سُلّم ثم استُرجع",
    "Completed without a code": "اكتمل بلا رمز",
    "Delivered in part": "سُلّم جزئياً",
    "May have reached the provider": "ربما وصل إلى المزوّد",
    "No outcome in time": "انتهت المهلة بلا نتيجة",
    "Left to a person": "متروك للمعالجة اليدوية",
    "No provider for the package": "لا مزوّد لهذه الباقة",
    "The provider is down": "المزوّد متوقّف",
    "A step was missed": "فاتت خطوة",
    "No answer yet": "لا جواب بعد",
    "The storefront was not told": "لم يُبلَّغ المتجر",
    "Up": "يعمل",
    "Down": "متوقّف",
    "Paused": "موقوف مؤقتاً",
    "Balance low": "الرصيد منخفض",
    "No balance": "لا رصيد",
    # why, and what next
    "One outcome came, then another that contradicts it. The first stands until a person decides.": (
        "وصلت نتيجة ثم أخرى تناقضها. تبقى الأولى قائمة إلى أن يُتَّخذ قرار."
    ),
    "Look at both. Accept if what came last is right; dismiss if what came first is right.": (
        "قارن بينهما. اقبل إن كانت الأخيرة هي الصحيحة، أو أغلق التنبيه إن كانت الأولى هي الصحيحة."
    ),
    "The provider took its delivery back.": "استرجع المزوّد ما سلّمه.",
    "Settle it with the customer, then dismiss. If the codes are good after all, complete it.": (
        "سوِّ الأمر مع الزبون ثم أغلق التنبيه. وإن تبيّن أن الرموز صالحة فأكمِل الطلب."
    ),
    "The provider says completed, but the code that should come has not. The customer has nothing yet.": (
        "يقول المزوّد إن الطلب اكتمل، لكن الرمز المنتظر لم يصل. لم يستلم الزبون شيئاً بعد."
    ),
    "Check once more. Still none: complete it with the code from the provider's panel.": (
        "استعلم مرة أخرى، فإن لم يصل الرمز فأكمِل الطلب بالرمز من لوحة المزوّد."
    ),
    "Some of the codes came, others did not.": "وصل بعض الرموز ولم يصل بعضها الآخر.",
    "Check once more, or complete it with the missing codes.": "استعلم مرة أخرى، أو أكمِل الطلب بالرموز الناقصة.",
    "The answer to sending is unknown: the provider may have it, or not.": (
        "جواب الإرسال مجهول: ربما وصل الطلب إلى المزوّد وربما لم يصل."
    ),
    "Check. Resend only once the provider's panel does not list it.": (
        "استعلم عنه. لا تُعِد إرساله إلا إذا لم يظهر في لوحة المزوّد."
    ),
    "The provider has not said how it ended, and its time is up. Another system placed it and decides it.": (
        "لم يُبيّن المزوّد كيف انتهى الطلب، وانقضت مهلته. أنشأه نظام آخر، وهو الذي يقرّر فيه."
    ),
    "Check. If it is settled in the other system, dismiss it here.": (
        "استعلم عنه. وإن سُوّي في النظام الآخر فأغلق التنبيه هنا."
    ),
    "It waits for a person to fulfil it.": "ينتظر من ينفّذه يدوياً.",
    "Complete it with the code that was bought, or fail it.": "أكمِله بالرمز الذي اشتُري، أو سجّله فاشلاً.",
    "No provider of its route can take it.": "لا يمكن لأيّ مزوّد في مساره استلامه.",
    "Add a route or a provider: it is then sent by itself. Fail it only if the customer was told.": (
        "أضف مساراً أو مزوّداً فيُرسَل تلقائياً. لا تسجّله فاشلاً إلا بعد إبلاغ الزبون."
    ),
    "The provider is down or paused, and the route has no other. It is sent by itself when the provider is back.": (
        "المزوّد متوقّف أو موقوف مؤقتاً، ولا بديل له في المسار. يُرسَل الطلب تلقائياً حين يعود المزوّد."
    ),
    "Look at the provider. To send it elsewhere now, resend it to another provider.": (
        "تحقّق من حالة المزوّد. ولإرسال الطلب الآن إلى غيره أعِد إرساله إلى مزوّد آخر."
    ),
    "Its next step is overdue: a whole sweep has missed it.": (
        "تأخّرت خطوته التالية، ولم تلتقطها دورة مراجعة كاملة."
    ),
    "See on the first page whether worker and scheduler are alive.": (
        "تحقّق في الصفحة الأولى من أن معالجات المهام والمُجدوِل تعمل."
    ),
    "The provider has given no outcome in all its checks, and is asked slowly now.": (
        "لم يُعطِ المزوّد نتيجة في جميع الاستعلامات، ويُستعلَم لديه الآن على فترات متباعدة."
    ),
    "Check, or ask the provider by its number.": "استعلم، أو راسل المزوّد برقم الطلب لديه.",
    "All tries to tell the storefront have failed.": "فشلت جميع محاولات إبلاغ المتجر.",
    "Repair the storefront's address, then redeliver.": "أصلح عنوان المتجر ثم أعِد إرسال الإشعار.",
    "A newer version of the gateway has set this.": "هذا التنبيه من إصدار أحدث للبوابة.",
    "Its timeline says more.": "في سجلّه تفصيل أكثر.",
    "The player or the number is wrong.": "رقم اللاعب أو الحساب غير صحيح.",
    "It is not sold, or out of stock.": "غير معروض للبيع، أو نفد من المخزون.",
    "The provider refused our account.": "رفض المزوّد حسابنا.",
    "The provider refused or cancelled it.": "رفضه المزوّد أو ألغاه.",
    "There was no outcome in time.": "لم تصل نتيجة ضمن المهلة.",
    "It was cancelled.": "أُلغي الطلب.",
    "A person decided so.": "تقرّر ذلك يدوياً.",
    "It is about to be sent.": "سيُرسَل بعد لحظات.",
    "Nothing was bought yet.": "لم يُشترَ شيء بعد.",
    "It is being sent.": "يُرسَل الآن.",
    "The provider has not answered yet.": "لم يجب المزوّد بعد.",
    "It is on its way.": "الطلب في الطريق.",
    "The provider has it and has not said yet how it ended.": "الطلب لدى المزوّد ولم يُبيّن نتيجته بعد.",
    "The provider is working on it.": "المزوّد يعمل عليه.",
    "It was delivered, then taken back.": "سُلّم ثم استُرجع.",
    "The storefront was told.": "أُبلغ المتجر بذلك.",
    "It is delivered.": "سُلّم الطلب.",
    "It is delivered, without a code.": "سُلّم الطلب بلا رمز.",
    "The storefront has what the provider sent.": "وصل إلى المتجر ما أرسله المزوّد.",
    "It failed.": "فشل الطلب.",
    "To try again, resend it.": "للمحاولة من جديد أعِد إرساله.",
    # an order
    "Order": "الطلب",
    "Order {number}": "الطلب {number}",
    "State": "الحالة",
    "Stage": "المرحلة",
    "Player": "اللاعب",
    "Product": "المنتج",
    "Provider": "المزوّد",
    "Referans": "Referans",
    "Reference": "مرجع المتجر",
    "Cost": "التكلفة",
    "Age": "العمر",
    "Tenant": "المتجر",
    "placed {time}": "أُنشئ {time}",
    "Nothing was done:": "لم يُنفَّذ شيء:",
    "The provider's words:": "رسالة المزوّد:",
    "What happened": "ما الذي حدث",
    "newest first": "الأحدث أولاً",
    "longest waiting first": "الأطول انتظاراً أولاً",
    "Storefront": "المتجر",
    "Sending": "الإرسال",
    "Callback": "ردّ وارد",
    "Check": "استعلام",
    "Sweep": "المراجعة الدورية",
    "Person": "تدخّل يدوي",
    "Notification": "إشعار صادر",
    "{count} more of these": "{count} أخرى مثلها",
    "Request, masked": "الرسالة كما وصلت، والأسرار محجوبة",
    "It cannot be opened with the keys of this process.": "لا يمكن فتحها بمفاتيح هذه العملية.",
    "It stands on its own page.": "تجده في صفحته الخاصة.",
    "This callback": "هذا الردّ",
    "None came for this order.": "لم يصل أيّ ردّ لهذا الطلب.",
    "What you can do": "ما يمكنك فعله",
    "Check now": "استعلم الآن",
    "ask the provider": "الاستعلام لدى المزوّد",
    "Accept what came last": "اقبل النتيجة الأخيرة",
    "it becomes the outcome": "تصبح هي النتيجة",
    "Dismiss": "أغلق التنبيه",
    "it stays as it is": "يبقى الطلب كما هو",
    "Complete with codes": "أكمِله بالرموز",
    "you have them": "الرموز عندك",
    "Resend": "أعِد الإرسال",
    "to a provider, again": "إلى مزوّد من جديد",
    "Fail": "سجّله فاشلاً",
    "the storefront refunds": "يردّ المتجر المبلغ",
    "Reverse": "سجّله مُسترجَعاً",
    "delivered, taken back": "سُلّم ثم استُرجع",
    "Add a note": "أضف ملاحظة",
    "only people here see it": "لا يراها إلا العاملون هنا",
    "The provider is being asked. Load the page again in a moment.": (
        "يجري الاستعلام لدى المزوّد. أعِد تحميل الصفحة بعد لحظات."
    ),
    "What came last is the outcome now.": "صارت النتيجة الأخيرة هي المعتمدة.",
    "The order stays as it is, and needs no person.": "يبقى الطلب كما هو، ولا يحتاج إلى تدخّل.",
    "The order is completed.": "اكتمل الطلب.",
    "The order is being sent again.": "يُعاد إرسال الطلب.",
    "The order has failed.": "سُجّل الطلب فاشلاً.",
    "The order is reversed.": "استُرجع الطلب.",
    "The note stands on the timeline.": "سُجّلت الملاحظة.",
    "The customer asks": "الزبون يسأل",
    "The provider confirmed it": "أكّده المزوّد",
    "Found in the provider's panel": "ظاهر في لوحة المزوّد",
    "To be sure": "للتأكّد",
    "Reason": "السبب",
    "stands on the timeline with your name": "يظهر في سجلّ الطلب مع اسمك",
    "stands on the timelines with your name": "يظهر في سجلّات الطلبات مع اسمك",
    "stands on every timeline with your name": "يظهر في سجلّ كل طلب مع اسمك",
    "kept with your name": "يُحفظ مع اسمك",
    "Codes, one a line": "الرموز، رمز في كل سطر",
    "none for a direct top-up": "اتركه فارغاً للشحن المباشر",
    "the first of its route": "الأول في مساره",
    "{provider} may have it. Sending it again may buy it twice.": (
        "ربما كان الطلب لدى {provider}. قد تؤدي إعادة إرساله إلى شرائه مرتين."
    ),
    "It may be bought twice": "لا مانع من شرائه مرتين",
    "Facts": "التفاصيل",
    "Quantity": "الكمية",
    "Provider's number": "الرقم لدى المزوّد",
    "Refused before by": "رفضه قبل ذلك",
    "Receipt": "الإيصال",
    "Took": "المدة",
    "Checks": "الاستعلامات",
    "Next check": "الاستعلام التالي",
    "Placed by": "أنشأه",
    "another system": "نظام آخر",
    "Id": "المعرّف",
    "Codes": "الرموز",
    "none yet": "لا شيء بعد",
    "A code is shown only on a press of its own, and the reading stands on the timeline.": (
        "لا يُعرض الرمز إلا بضغطة خاصة به، ويُسجَّل ذلك في سجلّ الطلب."
    ),
    "Show codes": "اعرض الرموز",
    "Codes of order {number}": "رموز الطلب {number}",
    "Back to the order": "عودة إلى الطلب",
    "This reading stands on the timeline with your name.": "سُجّل اطّلاعك هذا في سجلّ الطلب باسمك.",
    "Serial": "الرقم التسلسلي",
    "Valid until": "صالح حتى",
    "No code is known of this order": "لا رمز معروف لهذا الطلب",
    "What was masked, in full": "ما كان محجوباً، كاملاً",
    # lists
    "Since": "منذ",
    "Until": "حتى",
    "any": "الكل",
    "more than {count}": "أكثر من {count}",
    "at least {count}": "{count} على الأقل",
    "Act on all…": "إجراء على الكل…",
    "Act on all": "إجراء على الكل",
    "The filter {name} cannot be read, and was left out.": "تعذّرت قراءة عامل التصفية «{name}» فأُهمل.",
    "remove": "إزالة",
    "last 1h": "آخر ساعة",
    "last 24h": "آخر 24 ساعة",
    "last 7d": "آخر 7 أيام",
    "More filters": "خيارات تصفية أخرى",
    "Filter": "تصفية",
    "Remove all": "إزالة الكل",
    "Remove all filters": "إزالة عوامل التصفية كلها",
    "None so far": "لا شيء حتى الآن",
    "Orders were looked at back to {time}. Go on, or choose a time to begin with.": (
        "فُحصت الطلبات رجوعاً حتى {time}. تابع، أو اختر وقتاً تبدأ منه."
    ),
    "Orders were looked at back to {time}.": "فُحصت الطلبات رجوعاً حتى {time}.",
    "No order matches": "لا طلب مطابق",
    "Next page": "الصفحة التالية",
    "the newest {count} are shown": "يُعرض أحدث {count} منها",
    "Nothing found for {text}": "لا نتيجة للبحث عن {text}",
    "Where was looked": "أين جرى البحث",
    "Among ids and numbers of orders, references of the storefront, referans now and formerly, numbers of providers,"
    " and players; each as a whole and with its capitals.": (
        "في معرّفات الطلبات وأرقامها، ومراجع المتجر، والمراجع لدينا (referans) الحالية والسابقة، وأرقام المزوّدين،"
        " واللاعبين؛ كلٌّ منها كاملاً وبأحرفه كما هي."
    ),
    "Try another of them, or begin with a filter:": "جرّب غيرها، أو ابدأ بعامل تصفية:",
    # the day in charts
    "Last 30 days": "آخر 30 يوماً",
    "Its report": "تقريره",
    "Ended in the last 24 hours": "ما انتهى في آخر 24 ساعة",
    "From sending to delivery": "من الإرسال إلى التسليم",
    "line: half are faster; band: up to the slowest 5%": "الخط: نصف الطلبات أسرع منه؛ والشريط: حتى أبطأ \u20665%\u2069",
    "Found by a check": "عُرف بالاستعلام",
    "Timed out": "انتهت مهلته",
    "{share} found by a check": "{share} عُرف بالاستعلام",
    "{count} a minute": "{count} في الدقيقة",
    # the proof of an order
    "Proof": "الإثبات",
    "Proof of order {number}": "إثبات الطلب {number}",
    "For the provider: what was sent to it when, and what came back.": "للمزوّد: ما أُرسل إليه ومتى، وما الذي ردّ به.",
    "No code and no credential stands here. Print this page, or save it as PDF.": (
        "لا رموز ولا بيانات دخول هنا. اطبع الصفحة أو احفظها بصيغة PDF."
    ),
    "Placed": "أُنشئ",
    "oldest first": "الأقدم أولاً",
    "What": "الحدث",
    "Words": "النص",
    "Nothing was sent to a provider.": "لم يُرسَل شيء إلى أيّ مزوّد.",
    "SHA-256 of its body": "بصمة SHA-256 لمحتواه",
    "not kept any more": "لم يعد محفوظاً",
    "Its signature or secret was right of every callback that is listed; others are not kept.": (
        "كل ردّ مدرج هنا كان توقيعه أو سرّه صحيحاً؛ ولا يُحفظ غيره."
    ),
    "SHA-256 of all that stands here:": "بصمة SHA-256 لكل ما ورد هنا:",
    # reconciliation
    "Reconciliation": "المطابقة",
    "a provider's statement, compared with our orders": "كشف حساب المزوّد مقارناً بطلباتنا",
    "Waits for a worker": "ينتظر معالج مهام",
    "Being compared": "قيد المقارنة",
    "Compared": "تمّت المقارنة",
    "Cannot be read": "تعذّرت قراءته",
    "Choose a file, or paste its lines.": "اختر ملفاً، أو ألصق أسطره.",
    "Compare a statement": "قارن كشفاً",
    "File, CSV or XLSX": "ملف CSV أو XLSX",
    "up to 50 MB; without scripts paste its lines instead": (
        "حتى 50 ميغابايت؛ وإن كانت البرمجة النصية معطّلة في المتصفّح فألصق الأسطر"
    ),
    "or its lines, pasted": "أو ألصق أسطره هنا",
    "Names of its columns": "أسماء أعمدته",
    "guessed, and remembered, if empty": "تُخمَّن وتُحفظ إن تُركت فارغة",
    "Amount": "المبلغ",
    "Currency": "العملة",
    "Time": "الوقت",
    "Decimal sign": "الفاصلة العشرية",
    "as the amounts say": "بحسب المبالغ",
    "The upload was cut off. Try again.": "انقطع الرفع. أعد المحاولة.",
    "Compare": "قارن",
    "Ask a provider for its statement, a file with a line for each order, and compare it here.": (
        "اطلب من المزوّد كشفه، وهو ملف فيه سطر لكل طلب، ثم قارنه هنا."
    ),
    "The file cannot be read.": "تعذّرت قراءة الملف.",
    "The file is not whole yet.": "لم يكتمل الملف بعد.",
    "It is being compared.": "تجري مقارنته.",
    "{lines} so far.": "{lines} حتى الآن.",
    "{lines} differ from our orders.": "غير مطابق لطلباتنا: {lines}.",
    "The statement agrees with our orders.": "الكشف مطابق لطلباتنا.",
    "{lines} compared.": "جرت مقارنته: {lines}.",
    "All statements": "كل الكشوف",
    "The cost of {orders} is theirs now.": "صارت التكلفة كما في الكشف: {orders}.",
    "In all": "المجموع",
    "Finding": "النتيجة",
    "Lines": "الأسطر",
    "They say": "عندهم",
    "We say": "عندنا",
    "All findings": "كل النتائج",
    "Take their amounts as the cost: {lines}": "اعتمد مبالغهم تكلفةً: {lines}",
    "Take theirs": "اعتمد مبالغهم",
    "line {number}": "السطر {number}",
    "ours: {state}": "عندنا: {state}",
    "not in the statement": "غير موجود في الكشف",
    "ours {amount}": "عندنا {amount}",
    "They have it, we have not": "موجود عندهم وليس عندنا",
    "It was not bought by the gateway. Ask the provider who bought it.": (
        "لم تشترِه البوابة. اسأل المزوّد من اشتراه."
    ),
    "Taken twice for one order": "خُصم مرتين لطلب واحد",
    "Ask the provider for the money of the second one.": "طالب المزوّد بمبلغ المرة الثانية.",
    "Ended otherwise": "انتهى على نحو مختلف",
    "Open the order and check it once more; then decide with what the provider says.": (
        "افتح الطلب واستعلم عنه مرة أخرى، ثم قرّر بحسب جواب المزوّد."
    ),
    "Another amount": "مبلغ مختلف",
    "If their amount is right, take it as the cost; else ask for the difference.": (
        "إن كان مبلغهم صحيحاً فاعتمده تكلفةً، وإلا فطالب بالفرق."
    ),
    "We have it, they have not": "موجود عندنا وليس عندهم",
    "It was delivered and is not in the statement. Ask about it, or wait for the next statement.": (
        "سُلّم وليس في الكشف. اسأل عنه، أو انتظر الكشف التالي."
    ),
    "Agrees": "مطابق",
    "Nothing to do.": "لا شيء مطلوب.",
    # incidents
    "Incidents": "الحوادث",
    "ended {time}": "انتهى {time}",
    "rule stuck_orders": "طلبات تحتاج إلى تدخّل",
    "rule provider_down": "مزوّد متوقّف",
    "rule balance_low": "رصيد منخفض",
    "rule balance_gap": "الرصيد لا يتطابق",
    "rule callbacks_silent": "انقطعت الردود الواردة",
    "rule scheduler_dead": "المُجدوِل لا يستجيب",
    "rule notification_dead": "لم يُبلَّغ المتجر",
    "rule oldest_waiting": "العمل متأخّر",
    # reports
    "Reports": "التقارير",
    "Today": "اليوم",
    "Yesterday": "أمس",
    "Last 7 whole days": "آخر 7 أيام كاملة",
    "Last 30 whole days": "آخر 30 يوماً كاملاً",
    "This month": "هذا الشهر",
    "Period": "الفترة",
    "Other days, one provider": "أيام أخرى أو مزوّد واحد",
    "From": "من",
    "Show": "اعرض",
    "All of them": "المجموع",
    "All": "الكل",
    "By": "بحسب",
    "by day": "بحسب اليوم",
    "Group by": "التجميع بحسب",
    "Day": "اليوم",
    "Month": "الشهر",
    "against": "مقارنةً بـ",
    "nothing to compare with": "لا شيء للمقارنة",
    "as before": "كما من قبل",
    "{share} more": "أكثر بنسبة {share}",
    "{share} less": "أقل بنسبة {share}",
    "{points} points more": "أعلى بمقدار {points} نقطة",
    "{points} points less": "أدنى بمقدار {points} نقطة",
    "and {count} reversed": "واستُرجع {count}",
    "{count} under way": "{count} قيد التنفيذ",
    "none reversed": "لم يُسترجَع شيء",
    "Time to delivery": "الوقت حتى التسليم",
    "slowest 5%: {time} and more": "أبطأ \u20665%\u2069: {time} فأكثر",
    "Price": "سعر البيع",
    "what customers paid": "ما دفعه الزبائن",
    "what providers took": "ما أخذه المزوّدون",
    "Margin": "الهامش",
    "{share} of the price": "{share} من سعر البيع",
    "Told by callback": "عُرف بردّ وارد",
    "the others were found by a check": "عُرف الباقي بالاستعلام",
    "Median": "الوسيط",
    "none": "بلا",
    "No order in these days": "لا طلبات في هذه الأيام",
    "The largest are shown; the file has {count} more.": "تُعرض أكبرها، وفي الملف {count} أخرى.",
    "An order counts on the day on which it was placed. Cost, price and margin are of delivered orders.": (
        "يُحسب الطلب في يوم إنشائه. التكلفة وسعر البيع والهامش للطلبات المسلَّمة فقط."
    ),
    "{orders} delivered without a known cost and price in one currency, and not in the margin.": (
        "خارج الهامش، إذ لا تُعرف تكلفته وسعره بعملة واحدة: {orders}."
    ),
    "No day is summed up yet. The next sweep begins with it.": "لم يُجمَع أيّ يوم بعد. تبدأ بذلك المراجعة القادمة.",
    "{days} long ago are still being summed up; a report of them is not whole yet.": (
        "ما زال العمل جارياً على جمع {days} من الماضي؛ وتقاريرها ناقصة حتى الآن."
    ),
    # stuck, all that match
    "The oldest has waited since {time}, {age}.": "أقدمها ينتظر من {time} ({age}).",
    "No order needs a person.": "لا طلب يحتاج إلى تدخّل.",
    "Whatever comes is shown here by kind, with what to do next.": (
        "كل ما يطرأ يظهر هنا بحسب نوعه، مع الخطوة التالية."
    ),
    "oldest {age}": "أقدمها منذ {age}",
    "Next:": "الخطوة التالية:",
    "All {count}": "الكل ({count})",
    "Nothing here": "لا شيء هنا",
    "Check all…": "استعلم عنها كلها…",
    "Accept all…": "اقبلها كلها…",
    "Dismiss all…": "أغلق تنبيهاتها كلها…",
    "Resend all…": "أعِد إرسالها كلها…",
    "Fail all…": "سجّلها كلها فاشلة…",
    "This is about {orders}.": "يشمل الإجراء: {orders}.",
    "Every one of them is counted. It goes on in the background, is shown with your name, and can be stopped.": (
        "هذا عددها بالضبط. يجري العمل في الخلفية، ويظهر مع اسمك، ويمكن إيقافه."
    ),
    "This is about at least {count} orders.": "يشمل هذا من الطلبات {count} على الأقل.",
    "Before anything is done with them, every one is counted. That takes a moment.": (
        "قبل أي إجراء عليها يُعدّ كل طلب منها، ويستغرق ذلك لحظة."
    ),
    "Count every one": "عُدّها كلها",
    "What is to be done with all of them": "ما الذي يُفعل بها كلها",
    "Also those that a provider may have: they may be bought twice": (
        "حتى التي ربما كانت لدى مزوّد: قد تُشترى مرتين"
    ),
    "Cancel": "إلغاء",
    "Back to the list": "عودة إلى القائمة",
    "Say why, in words.": "اكتب السبب بالكلمات.",
    "The orders are not as many as a moment ago. Nothing was done; look at the number again.": (
        "تغيّر عدد الطلبات قبل لحظات. لم يُنفَّذ شيء؛ انظر في العدد من جديد."
    ),
    "bulk check": "استعلام",
    "bulk accept": "قبول النتيجة الأخيرة",
    "bulk dismiss": "إغلاق التنبيهات",
    "bulk fail": "تسجيل الفشل",
    "bulk reverse": "استرجاع",
    "bulk resend": "إعادة إرسال",
    "bulk note": "ملاحظة",
    "bulk replay": "إعادة المعالجة",
    "bulk redeliver": "إعادة إرسال الإشعارات",
    "Running": "قيد التنفيذ",
    "Running: {what}": "قيد التنفيذ: {what}",
    "Stopped": "متوقّف",
    "Done": "تمّ",
    "Progress": "التقدّم",
    "{done} of {total}": "{done} من {total}",
    "of {total}": "من {total}",
    "Nothing could be done": "تعذّر التنفيذ",
    "Nothing could be done about these": "تعذّر التنفيذ على هذه",
    "Left": "الباقي",
    "Ended": "انتهى",
    "Load again": "أعِد التحميل",
    "Stop": "أوقف",
    "Go on": "تابع",
    "All bulk actions": "جميع الإجراءات الجماعية",
    "None yet": "لا شيء بعد",
    "Filter orders, callbacks or notifications, or choose a kind of stuck orders, and act on all that match.": (
        "صفِّ الطلبات أو الردود أو الإشعارات، أو اختر نوعاً من الطلبات العالقة، ثم نفّذ إجراءً على المطابق كله."
    ),
    # what is wrong now, and its cure
    "Address that it calls:": "العنوان الذي يرسل إليه:",
    "Also": "وأيضاً",
    "the same with another code": "النتيجة نفسها برمز آخر",
    "Now it is:": "حالته الآن:",
    "what came last:": "وآخر ما ورد:",
    "An admin can set credentials on this page; you are signed in as {role}.": (
        "يستطيع مدير ضبط بيانات الدخول في هذه الصفحة؛ وصفتك الآن: {role}."
    ),
    "As a rule its secret is another than ours. Set the one it uses below, or have a new one made and tell it."
    " Its orders are found by checks meanwhile.": (
        "السبب عادةً أن سرّه يختلف عن سرّنا. اضبط أدناه السرّ الذي يستخدمه، أو أنشئ سرّاً جديداً وأعطه إياه."
        " وتُعرف نتائج طلباته بالاستعلام في هذه الأثناء."
    ),
    "As a rule its secret is another than ours. Set the one it uses on its page, or have a new one made and tell"
    " it. Its orders are found by checks meanwhile.": (
        "السبب عادةً أن سرّه يختلف عن سرّنا. اضبط في صفحته السرّ الذي يستخدمه، أو أنشئ سرّاً جديداً وأعطه"
        " إياه. وتُعرف نتائج طلباته بالاستعلام في هذه الأثناء."
    ),
    "Ask it for the right ones, and set them on its page. Then it is asked at once.": (
        "اطلب منه البيانات الصحيحة واضبطها في صفحته، فيُسأل من جديد فوراً."
    ),
    "Ask it now": "اسأله الآن",
    "Callbacks of {provider} fall short.": "الردود الواردة من {provider} أقل من المعتاد.",
    "Give it more memory at your host (maxmemory), or delete what else is in it. Orders are kept, and sent by"
    " themselves within a minute after.": (
        "امنحه ذاكرة أكبر لدى مستضيفك (maxmemory)، أو احذف ما فيه من أشياء أخرى. تُحفظ الطلبات وتُرسَل"
        " تلقائياً خلال دقيقة بعد ذلك."
    ),
    "Give it to the provider. The former secret stays valid beside it, so that nothing is refused meanwhile.": (
        "أعطه للمزوّد. يبقى السرّ السابق صالحاً إلى جانبه فلا يُرفض شيء في هذه الأثناء."
    ),
    "It is asked again by itself, and gets orders with its first answer. Its orders go to the next provider of"
    " their route, or wait.": (
        "يُسأل من جديد تلقائياً، ويأخذ الطلبات مع أول جواب. تنتقل طلباته إلى المزوّد التالي في مسارها أو تنتظر."
    ),
    "It is asked again by itself, and gets orders with its first answer. See there whether address and"
    " credentials are right, or send what waits to another provider.": (
        "يُسأل من جديد تلقائياً، ويأخذ الطلبات مع أول جواب. تحقّق هناك من صحة عنوانه وبيانات الدخول، أو أرسل"
        " ما ينتظر إلى مزوّد آخر."
    ),
    "It is being asked. What it says is shown here within seconds.": (
        "يجري سؤاله الآن، ويظهر جوابه هنا خلال ثوانٍ."
    ),
    "It refuses our account, and gets no orders since {time}.": "يرفض حسابنا، ولا يأخذ طلبات منذ {time}.",
    "It seems to reject our credentials since {time}.": "يبدو أنه يرفض بيانات دخولنا منذ {time}.",
    "It works, but its callbacks are refused: {count} in the last hour.": (
        "يعمل، لكن ردوده الواردة مرفوضة. العدد في الساعة الأخيرة: {count}."
    ),
    "Its command:": "أمر تشغيله:",
    "Look for a provider that is slow, else start one more process “worker” at your host.": (
        "ابحث عن مزوّد بطيء، وإلا فشغّل لدى مستضيفك عملية «worker» إضافية."
    ),
    "Make a new callback secret, and show it once": "أنشئ سرّاً جديداً للردود واعرضه مرة واحدة",
    "No balance is left with it: it gets no orders.": "نفد رصيدنا لديه، فلا يأخذ طلبات.",
    "No scheduler was ever heard.": "لم يظهر أيّ مُجدوِل قط.",
    "No worker was heard for {time}: nothing is sent or checked.": (
        "لا إشارة من أيّ معالج مهام منذ {time}: لا يُرسَل شيء ولا يُستعلَم عنه."
    ),
    "Put the account right with it, or set other credentials below. It is then asked by itself, at once with “Ask"
    " it now”.": (
        "سوِّ أمر الحساب معه، أو اضبط أدناه بيانات دخول أخرى. ثم يُسأل تلقائياً، أو فوراً عبر «اسأله الآن»."
    ),
    "Put the account right with it, or set other credentials below. Then press “Resume”: its protocol has no question"
    " that would tell.": (
        "سوِّ أمر الحساب معه، أو اضبط أدناه بيانات دخول أخرى، ثم اضغط «استأنفه»: لا يتيح بروتوكوله سؤالاً يكشف ذلك."
    ),
    "Put the account right with it, or set other credentials on its page. Then press “Ask it now” there.": (
        "سوِّ أمر الحساب معه، أو اضبط بيانات دخول أخرى في صفحته، ثم اضغط هناك «اسأله الآن»."
    ),
    "Redis, the queue, does not answer: nothing is sent or checked.": (
        "طابور المهام (Redis) لا يستجيب: لا يُرسَل شيء ولا يُستعلَم عنه."
    ),
    "Redis, the queue, is full: nothing is sent or checked.": (
        "طابور المهام (Redis) ممتلئ: لا يُرسَل شيء ولا يُستعلَم عنه."
    ),
    "Redis, the queue, takes no writes: nothing is sent or checked.": (
        "طابور المهام (Redis) لا يقبل الكتابة: لا يُرسَل شيء ولا يُستعلَم عنه."
    ),
    "Refuses our account": "يرفض حسابنا",
    "Rejects our credentials": "يرفض بيانات دخولنا",
    "Resume it on its page once the reason is gone.": "استأنفه من صفحته متى زال السبب.",
    "See its log at your host. If it is a replica, point REDIS_URL to the primary. Orders are kept, and sent by"
    " themselves within a minute after.": (
        "انظر في سجلّه لدى مستضيفك. وإن كان نسخة للقراءة فوجّه REDIS_URL إلى الخادم الأساسي. تُحفظ الطلبات"
        " وتُرسَل تلقائياً خلال دقيقة بعد ذلك."
    ),
    "See on its page whether it calls our address, and signs with our secret. Its orders are asked about twice as"
    " often meanwhile.": (
        "تحقّق في صفحته من أنه يرسل إلى عنواننا ويوقّع بسرّنا. ويُستعلَم عن طلباته بضعف المعدّل في هذه الأثناء."
    ),
    "See the order": "إلى الطلب",
    "See them": "إليها",
    "See {provider}": "إلى {provider}",
    "Set credentials": "اضبط بيانات الدخول",
    "Set the right ones below; it is then asked at once. Its orders go to the next provider of their route, or"
    " wait.": (
        "اضبط البيانات الصحيحة أدناه فيُسأل من جديد فوراً. تنتقل طلباته إلى المزوّد التالي في مسارها أو تنتظر."
    ),
    "Start it again at your host, or put REDIS_URL right. Orders are kept, and sent by themselves within a minute"
    " after.": ("شغّله من جديد لدى مستضيفك، أو صحّح REDIS_URL. تُحفظ الطلبات وتُرسَل تلقائياً خلال دقيقة بعد ذلك."),
    "Start the process “scheduler” again at your host. Orders go on meanwhile: a worker sweeps in its place.": (
        "شغّل العملية «scheduler» من جديد لدى مستضيفك. الطلبات تسير في هذه الأثناء، إذ يقوم معالج مهام"
        " بالمراجعة الدورية بدلاً منه."
    ),
    "Start the process “scheduler” at your host. Orders go on meanwhile: a worker sweeps in its place.": (
        "شغّل العملية «scheduler» لدى مستضيفك. الطلبات تسير في هذه الأثناء، إذ يقوم معالج مهام بالمراجعة"
        " الدورية بدلاً منه."
    ),
    "Start the process “worker” again at your host. What waits is sent and checked by itself.": (
        "شغّل العملية «worker» من جديد لدى مستضيفك. ما ينتظر يُرسَل ويُستعلَم عنه تلقائياً."
    ),
    "Start the process “worker” again at your host: it sweeps, even without the scheduler.": (
        "شغّل العملية «worker» من جديد لدى مستضيفك: فهي تقوم بالمراجعة الدورية حتى بلا مُجدوِل."
    ),
    "The balance at {provider} is low.": "الرصيد لدى {provider} منخفض.",
    "The credentials are stored, and used from the next call on.": (
        "حُفظت بيانات الدخول، وتُستخدم من الاتصال القادم."
    ),
    "The last sweep began {time} ago; that is too long.": (
        "بدأت آخر مراجعة دورية منذ {time}، وهذا أطول مما ينبغي."
    ),
    "The new callback secret, shown this once": "السرّ الجديد للردود، يُعرض هذه المرة فقط",
    "The provider gave new ones": "أعطى المزوّد بيانات جديدة",
    "The provider has repaired it": "أصلحه المزوّد",
    "The scheduler is silent for {time}; it should be heard each minute.": (
        "المُجدوِل صامت منذ {time}، والمعتاد إشارة كل دقيقة."
    ),
    "Top it up, then press “Ask it now” on its page. Without that it is noticed by itself, some minutes later.": (
        "اشحن الرصيد، ثم اضغط «اسأله الآن» في صفحته. وإلا لوحظ ذلك تلقائياً بعد دقائق."
    ),
    "Top it up, then press “Ask it now”. Without that it is noticed by itself, some minutes later.": (
        "اشحن الرصيد، ثم اضغط «اسأله الآن». وإلا لوحظ ذلك تلقائياً بعد دقائق."
    ),
    "Top it up, then press “Resume”: its protocol has no question for the balance.": (
        "اشحن الرصيد، ثم اضغط «استأنفه»: لا يتيح بروتوكوله السؤال عن الرصيد."
    ),
    "Topped up": "شُحن الرصيد",
    "What is left empty stays as it is.": "ما يُترك فارغاً يبقى كما هو.",
    "What waits": "ما ينتظر",
    "Work is {time} late, although all parts answer.": "العمل متأخر {time} مع أن جميع الأجزاء تستجيب.",
    "it gets orders with its answer": "يأخذ الطلبات مع جوابه",
    "its callbacks are refused": "ردوده مرفوضة",
    "never shown again": "لا تُعرض بعد ذلك",
    "not known now": "غير معروف الآن",
    "of its callbacks; former ones stay valid": "سرّ ردوده؛ وتبقى السابقة صالحة",
    "Callbacks of {provider} are refused: {count} in the last hour.": (
        "تُرفض الردود الواردة من {provider}. العدد في الساعة الأخيرة: {count}."
    ),
    "{provider} does not answer since {time}: it gets no orders.": (
        "لا يجيب {provider} منذ {time}، فلا يأخذ طلبات."
    ),
    "{provider} has no balance left: it gets no orders.": "نفد رصيدنا لدى {provider}، فلا يأخذ طلبات.",
    "{provider} is paused by {who}: it gets no orders.": (
        "أوقف {who} المزوّد {provider} مؤقتاً، فلا يأخذ طلبات."
    ),
    "{provider} refuses our account: it gets no orders.": "يرفض {provider} حسابنا، فلا يأخذ طلبات.",
    "{provider} seems to reject our credentials: it gets no orders.": (
        "يبدو أن {provider} يرفض بيانات دخولنا، فلا يأخذ طلبات."
    ),
    # now
    "All is well.": "كل شيء على ما يرام.",
    "No worker is alive: nothing is sent or checked.": ("لا يعمل أيّ معالج مهام: لا يُرسَل شيء ولا يُستعلَم عنه."),
    "{orders} under way.": "قيد المتابعة: {orders}.",
    "As of {time}.": "كما في {time}.",
    "Under way": "قيد المتابعة",
    "The gateway itself": "البوابة نفسها",
    "Queue": "طابور المهام",
    "Workers": "معالجات المهام",
    "Scheduler": "المُجدوِل",
    "Work in time": "العمل في وقته",
    "no answer": "لا جواب",
    "never seen": "لم يظهر قط",
    "{count} waiting": "{count} في الانتظار",
    "{count} alive": "{count} يعمل",
    "The last sweep had a fault": "وقع خلل في آخر مراجعة دورية",
    "Callbacks that wait for their order": "ردود تنتظر طلبها",
    "None is configured yet.": "لم يُضَف أيّ مزوّد بعد.",
    # providers
    "{count} of {total} need eyes.": "يحتاج إلى متابعة: {count} من أصل {total}.",
    "its balance does not add up": "رصيده لا يتطابق",
    "All providers are up.": "جميع المزوّدين يعملون.",
    "It gets no new orders: {who} paused it {time}.": (
        "لا يأخذ طلبات جديدة: أُوقف مؤقتاً {time} من قِبل {who}."
    ),
    "Its orders go to the next provider of their route, or wait. Resume it once the reason is gone.": (
        "تنتقل طلباته إلى المزوّد التالي في مسارها أو تنتظر. استأنفه متى زال السبب."
    ),
    "It does not answer since {time}.": "لا يجيب منذ {time}.",
    "It does not answer.": "لا يجيب.",
    "It works. The balance is low.": "يعمل، والرصيد منخفض.",
    "Top it up before it is used up.": "اشحن الرصيد قبل أن ينفد.",
    "It works.": "يعمل.",
    "Its last calls failed:": "فشلت آخر الاتصالات به:",
    "Its last call was answered.": "أجاب عن آخر اتصال.",
    "Balance": "الرصيد",
    "As last known": "آخر ما عُرف",
    "Low below": "يُعدّ منخفضاً دون",
    "Does it add up": "هل يتطابق",
    "Yes": "نعم",
    "are gone that no purchase of ours explains, at {time}.": "نقصت ولا يفسّرها أيّ شراء لنا، في {time}.",
    "The order after it": "الطلب الذي يليه",
    "Within the last hour": "خلال الساعة الأخيرة",
    "Callbacks refused": "ردود مرفوضة",
    "Orders refused": "طلبات مرفوضة",
    "Routes": "المسارات",
    "Package": "الباقة",
    "Priority": "الأولوية",
    "The first {count} are shown.": "تُعرض أول {count}.",
    "No route leads to it: it gets no orders.": "لا مسار يؤدّي إليه، فلا يأخذ طلبات.",
    "Pause": "أوقفه مؤقتاً",
    "it gets no new orders": "لا يأخذ طلبات جديدة",
    "Resume": "استأنفه",
    "it gets orders again": "يعود إلى أخذ الطلبات",
    "Ask for the balance": "استعلم عن الرصيد",
    "with the next sweep": "مع المراجعة الدورية التالية",
    "Take the gaps as seen": "اعتبر الفروق مُعالَجة",
    "they are settled": "سُوّيت",
    "Protocol": "البروتوكول",
    "Address": "العنوان",
    "Its orders": "طلباته",
    "Its callbacks": "ردوده",
    "It gets no new orders until it is resumed.": "لا يأخذ طلبات جديدة حتى يُستأنف.",
    "It gets orders again. Those that wait for it are sent within a minute.": (
        "عاد إلى أخذ الطلبات. تُرسَل الطلبات التي تنتظره خلال دقيقة."
    ),
    "The gaps are taken as seen.": "اعتُبرت الفروق مُعالَجة.",
    "The next sweep asks for the balance.": "تستعلم المراجعة الدورية التالية عن الرصيد.",
    # sentences
    "The provider may have it, and cannot be asked: its protocol has no question for this order.": (
        "ربما كان الطلب لدى المزوّد، ولا يمكن الاستعلام عنه: ليس في بروتوكوله استعلام عن هذا الطلب."
    ),
    "Find it in the provider's panel; then complete, fail or resend it. A callback that comes ends it, too.": (
        "ابحث عنه في لوحة المزوّد، ثم أكمِله أو سجّله فاشلاً أو أعِد إرساله. وإن وصل ردّ وارد حسم الأمر."
    ),
    "Complete it with the code from the provider's panel. If there is none, dismiss it.": (
        "أكمِله بالرمز من لوحة المزوّد. فإن لم يكن له رمز فأغلق التنبيه."
    ),
    "Settle the rest with the customer, then dismiss it; or complete it with the missing codes.": (
        "سوِّ الباقي مع الزبون ثم أغلق التنبيه، أو أكمِله بالرموز الناقصة."
    ),
    "Find it in the provider's panel; then complete, fail or resend it.": (
        "ابحث عنه في لوحة المزوّد، ثم أكمِله أو سجّله فاشلاً أو أعِد إرساله."
    ),
    "Find it in the provider's panel, decide it in the other system, then dismiss it here.": (
        "ابحث عنه في لوحة المزوّد، وقرّر فيه في النظام الآخر، ثم أغلق التنبيه هنا."
    ),
    "Ask the provider by its number; then complete or fail it.": (
        "راسل المزوّد برقم الطلب لديه، ثم أكمِله أو سجّله فاشلاً."
    ),
    "Another system has sent it to a provider that is not configured here, so it is not asked about from"
    " here.": ("أرسله نظام آخر إلى مزوّد غير مُعرَّف هنا، فلا يُستعلَم عنه من هنا."),
    "Add the provider under exactly this id, and it is followed; or let the other system end it.": (
        "أضف المزوّد بهذا المعرّف نفسه فيُتابَع الطلب، أو دع النظام الآخر يُنهيه."
    ),
    "A person fulfils it: no provider can be asked about it.": "يُنفَّذ يدوياً، فلا مزوّد يُستعلَم لديه.",
    "It was not sent, so that there is nothing to ask about.": "لم يُرسَل بعد، فلا شيء يُستعلَم عنه.",
    "Its provider is not configured here, so it cannot be asked.": (
        "مزوّده غير مُعرَّف هنا، فلا يمكن الاستعلام لديه."
    ),
    "It cannot be checked: to ask this provider is to send the order again, which may buy it twice once"
    " it has ended or is too old.": (
        "لا يمكن الاستعلام عنه: الاستعلام لدى هذا المزوّد إرسال جديد قد يشتري الطلب مرتين بعد انتهائه أو قِدمه."
    ),
    "It cannot be checked: this provider answers no questions; only its callbacks tell.": (
        "لا يمكن الاستعلام عنه: هذا المزوّد لا يجيب عن الاستعلامات، ولا تُعرف النتيجة إلا بردّ وارد منه."
    ),
    "It cannot be checked: this provider knows orders by its own number only, and has not told it.": (
        "لا يمكن الاستعلام عنه: هذا المزوّد لا يعرف الطلبات إلا برقمه هو، ولم يُعلمنا به."
    ),
    "It cannot be checked: this provider can be asked for a short time after sending only, which is over.": (
        "لا يمكن الاستعلام عنه: لا يُستعلَم لدى هذا المزوّد إلا مدة قصيرة بعد الإرسال، وقد انقضت."
    ),
    "It cannot be checked: for this order its provider's protocol has no question.": (
        "لا يمكن الاستعلام عنه: ليس في بروتوكول مزوّده استعلام عن طلب كهذا."
    ),
    # the route of an order
    "Route": "المسار",
    "Routes of this package now": "مسارات هذه الباقة الآن",
    "The cheapest of {count}": "الأرخص من أصل {count}",
    "No cost is known of the {count} of them": "لا تُعرف تكلفة أيّ من المسارات وعددها {count}",
    "Its share is {part} of {whole}": "حصّته {part} من {whole}",
    "the only one": "الوحيد",
    "takes no orders now": "لا يأخذ طلبات الآن",
    "No route leads from its package to a provider.": "لا مسار يؤدّي من باقته إلى أيّ مزوّد.",
    "Another system has chosen its provider.": "اختار مزوّدَه نظامٌ آخر.",
    "in order": "بالترتيب",
    "cheapest first": "الأرخص أولاً",
    "by shares": "بالحصص",
    "The storefront is told again, with the same webhook-id.": (
        "يُبلَّغ المتجر من جديد بالمعرّف نفسه webhook-id."
    ),
    # searching
    "Filters": "عوامل التصفية",
    # stuck, and what leads on
    "Redeliver…": "أعِد إرسال الإشعارات…",
    "See the providers": "إلى المزوّدين",
    "See the gateway": "إلى حالة البوابة",
    "Orders whose provider cannot be asked, or only by buying, stay as they are, each with its reason.": (
        "تبقى كما هي الطلبات التي لا يمكن الاستعلام عنها، أو لا يُستعلَم عنها إلا بشراء جديد، ويُذكر سبب كلٍّ منها."
    ),
    # balances, callbacks and prices of providers
    "lasts about {time}": "يكفي نحو {time}",
    "Lasts about": "يكفي نحو",
    "{amount} a day": "{amount} في اليوم",
    "balance of {time}": "قُرئ الرصيد {time}",
    "Last 7 days": "آخر 7 أيام",
    "Callbacks fall short; its orders are asked about twice as often": (
        "ردوده الواردة أقلّ من المعتاد؛ يُستعلَم عن طلباته بضعف المعدّل"
    ),
    "usually {share}": "المعتاد {share}",
    "Usually": "المعتاد",
    "Its catalogue has changed": "تغيّرت قائمة أسعاره",
    "its callbacks fall short": "ردوده أقلّ من المعتاد",
    "Dearer": "ارتفع سعره",
    "Cheaper": "انخفض سعره",
    "No longer sold": "لم يعد يُباع",
    "New": "جديد",
    "It does not call back: its orders are asked about.": "لا يرسل ردوداً، فيُستعلَم عن طلباته.",
    "It does not call back.": "لا يرسل ردوداً.",
    "{told} of {delivered} within the hour": "{told} من {delivered} خلال الساعة",
    "the 7 days before": "في الأيام السبعة السابقة",
    "From sending to callback": "من الإرسال إلى الردّ",
    "Last told": "آخر تسليم عُرف بردّ",
    "not within two days": "لا شيء خلال يومين",
    "Its callbacks tell of clearly fewer deliveries than usual, since {time}.": (
        "ردوده الواردة تُخبر بتسليمات أقلّ بوضوح من المعتاد، منذ {time}."
    ),
    "Its orders are asked about twice as often, by itself, until that is right again. Look whether it"
    " calls our address, and signs with our secret.": (
        "يُستعلَم عن طلباته تلقائياً بضعف المعدّل إلى أن تعود الردود كالمعتاد. تحقّق من أنه يرسل إلى عنواننا ويوقّع بسرّنا."
    ),
    "Should they fall clearly below that, its orders are asked about twice as often, by itself.": (
        "إن انخفضت الردود بوضوح دون ذلك استُعلم عن طلباته تلقائياً بضعف المعدّل."
    ),
    "Prices": "الأسعار",
    "catalogue of {time}": "قُرئت {time}",
    "To take its prices over, see and apply them:": "لاعتماد أسعاره راجعها وطبّقها بالأمر:",
    "Its catalogue could not be read for days.": "تعذّرت قراءة قائمة أسعاره منذ أيام.",
    "Its catalogue is read once a day. The routes have its prices.": (
        "تُقرأ قائمة أسعاره مرة في اليوم، والمسارات مطابقة لها."
    ),
    "Its catalogue is read for the first time soon.": "ستُقرأ قائمة أسعاره أول مرة بعد قليل.",
    "Its catalogue is not watched. To be told of other prices:": (
        "قائمة أسعاره غير مُراقَبة. لمعرفة تغيّر الأسعار:"
    ),
    "It has no catalogue.": "لا قائمة أسعار له.",
    "Turn": "الدور",
    "Strategy": "طريقة الاختيار",
    "alone": "وحده",
    "{place} of {many}": "{place} من {many}",
    "{share} of the orders": "{share} من الطلبات",
    "not used": "غير مستعملة",
    "part of the gateway": "جزء من البوابة",
    "described by a file that ships": "موصوف بملف مرفق بالبوابة",
    "described by a file that was added": "موصوف بملف مُضاف",
    "cannot be used": "لا يمكن استعماله",
    "in its own words": "بصيغة المزوّد",
    "neutral format": "بالصيغة المحايدة",
    "both formats": "بالصيغتين",
    "Asked about": "يُستعلَم لديه",
    "by our reference": "بمرجعنا",
    "by its own number only": "برقمه هو فقط",
    "not at all: only its callbacks tell": "لا يُستعلَم لديه: لا تُعرف النتيجة إلا بردوده",
    "Asking may buy: it is asked only while an order is open.": (
        "الاستعلام قد يشتري: لا يُستعلَم إلا ما دام الطلب مفتوحاً."
    ),
    "for {time} after sending": "خلال {time} من الإرسال",
    "{orders} in one question at most": "الحدّ الأعلى في الاستعلام الواحد: {orders}",
    "Calls at once": "الاتصالات المتزامنة",
    "Calls a minute": "الاتصالات في الدقيقة",
    "no limit": "بلا حدّ",
    "Stock low below": "يُعدّ المخزون منخفضاً دون",
    "The last sweeps": "آخر المراجعات الدورية",
    "nothing was missed": "لم يفُت شيء",
    "took {time}": "استغرقت {time}",
    # notifications
    "Waiting": "في الانتظار",
    "Delivered": "سُلّم",
    "Given up": "تعذّر التسليم",
    "{notifications} given up.": "تعذّر تسليمها: {notifications}.",
    "Repair the storefront's address, then redeliver. Each keeps its webhook-id, so that a receiver which has it knows"
    " it.": "أصلح عنوان المتجر ثم أعِد الإرسال. يحتفظ كلٌّ منها بمعرّفه webhook-id فيعرفه من استلمه من قبل.",
    "A receiver does not take its notifications.": "أحد المستقبِلين لا يقبل إشعاراته.",
    "They are tried again by themselves, ten times over two days.": "تُعاد المحاولة تلقائياً، عشر مرات خلال يومين.",
    "The storefront is told.": "الإشعارات تصل إلى المتجر.",
    "{notifications} waiting.": "في الانتظار: {notifications}.",
    "Gets nothing since {time}": "لا يُرسَل إليه شيء منذ {time}",
    "Fails since {time}": "يفشل منذ {time}",
    "Enable it again": "أعِد تفعيله",
    "Redeliver": "أعِد إرسال الإشعار",
    "Redeliver all that match: {notifications}": "أعِد إرسال المطابق كله: {notifications}",
    "No notification matches": "لا إشعار مطابق",
    "It is delivered again.": "يُعاد إرساله.",
    "Tries": "المحاولات",
    "The answer had no body.": "جاء الجواب بلا محتوى.",
    "It was not tried yet.": "لم تجرِ محاولة بعد.",
    "What it says": "مضمونه",
    "with the same webhook-id": "بالمعرّف نفسه webhook-id",
    "To": "إلى",
    "Next try": "المحاولة التالية",
    "The storefront was not told of this order.": "لم يُبلَّغ المتجر بهذا الطلب.",
    # callbacks
    "what providers sent, newest first": "ما أرسله المزوّدون، الأحدث أولاً",
    "Result": "النتيجة",
    "result applied": "طُبّق",
    "result duplicate": "معروف من قبل",
    "result stale": "أقدم مما نعرف",
    "result conflict": "يناقض الطلب",
    "result unmatched": "ينتظر طلبه",
    "result invalid": "تعذّرت قراءته",
    "None of them is left to be replayed.": "لم يبقَ منها ما تُعاد معالجته.",
    "None of them is left to be redelivered.": "لم يبقَ منها ما يُعاد إرساله.",
    "So many match that they cannot be counted in a moment. Choose a time to act on all of them.": (
        "المطابق أكثر من أن يُعدّ في لحظات. اختر وقتاً لتنفيذ إجراء عليه كله."
    ),
    "Oldest first, in the background. Each keeps its webhook-id, so that a receiver which has it knows it.": (
        "الأقدم أولاً، وفي الخلفية. يحتفظ كل إشعار بمعرّف webhook-id نفسه، فيعرفه المستلم إن كان قد وصله."
    ),
    "Replay all that match: {callbacks}": "أعِد معالجة المطابق كله: {callbacks}",
    "Oldest first, in the background. Those whose order is known by now are settled, and those that can be read now are"
    " read. What is settled already changes nothing.": (
        "الأقدم أولاً، وفي الخلفية. يُطبَّق ما صار طلبه معروفاً، ويُقرأ ما صارت قراءته ممكنة. وما طُبّق من قبل لا يغيّر شيئاً."
    ),
    "Replay": "أعِد المعالجة",
    "settle it again": "تطبيقه من جديد",
    "No callback matches": "لا ردّ مطابق",
    "Callback {number}": "الردّ {number}",
    "came {time}": "وصل {time}",
    "Replayed. It was: {before}; it is: {after}.": "أُعيدت معالجته. كان: {before}، وصار: {after}.",
    "Why it could not be read:": "سبب تعذّر قراءته:",
    "What it did": "ما الذي فعله",
    "No order was changed.": "لم يتغيّر أيّ طلب.",
    "It says": "يقول",
    "Settled": "طُبّق",
}

#: Lengths of time that stand alone, by those that stand behind a word.
ALONE = {"ثانيتين": "ثانيتان", "دقيقتين": "دقيقتان", "ساعتين": "ساعتان", "يومين": "يومان"}

COUNTED: dict[str, dict[str, str]] = {
    "order": {
        "zero": "لا طلبات",
        "one": "طلب واحد",
        "two": "طلبان",
        "few": "{n} طلبات",
        "many": "{n} طلباً",
        "other": "{n} طلب",
    },
    "line": {
        "zero": "لا أسطر",
        "one": "سطر واحد",
        "two": "سطران",
        "few": "{n} أسطر",
        "many": "{n} سطراً",
        "other": "{n} سطر",
    },
    "order was": {
        "zero": "لا طلبات",
        "one": "طلب واحد",
        "two": "طلبان",
        "few": "{n} طلبات",
        "many": "{n} طلباً",
        "other": "{n} طلب",
    },
    "order needs": {
        "zero": "لا طلبات تحتاج إلى تدخّل",
        "one": "طلب واحد يحتاج إلى تدخّل",
        "two": "طلبان يحتاجان إلى تدخّل",
        "few": "{n} طلبات تحتاج إلى تدخّل",
        "many": "{n} طلباً تحتاج إلى تدخّل",
        "other": "{n} طلب تحتاج إلى تدخّل",
    },
    "millisecond": {"other": "{n} مللي ثانية"},
    "second": {
        "one": "ثانية",
        "two": "ثانيتين",
        "few": "{n} ثوانٍ",
        "many": "{n} ثانية",
        "other": "{n} ثانية",
    },
    "minute": {
        "one": "دقيقة",
        "two": "دقيقتين",
        "few": "{n} دقائق",
        "many": "{n} دقيقة",
        "other": "{n} دقيقة",
    },
    "hour": {"one": "ساعة", "two": "ساعتين", "few": "{n} ساعات", "many": "{n} ساعة", "other": "{n} ساعة"},
    "day": {"one": "يوم", "two": "يومين", "few": "{n} أيام", "many": "{n} يوماً", "other": "{n} يوم"},
    "code": {
        "zero": "لا رموز",
        "one": "رمز واحد",
        "two": "رمزان",
        "few": "{n} رموز",
        "many": "{n} رمزاً",
        "other": "{n} رمز",
    },
    "notification": {
        "zero": "لا إشعارات",
        "one": "إشعار واحد",
        "two": "إشعاران",
        "few": "{n} إشعارات",
        "many": "{n} إشعاراً",
        "other": "{n} إشعار",
    },
    "notification is": {
        "zero": "لا إشعارات",
        "one": "إشعار واحد",
        "two": "إشعارين",
        "few": "{n} إشعارات",
        "many": "{n} إشعاراً",
        "other": "{n} إشعار",
    },
    "receiver": {
        "zero": "لا أحد",
        "one": "مستقبِل واحد",
        "two": "مستقبِلان",
        "few": "{n} مستقبِلين",
        "many": "{n} مستقبِلاً",
        "other": "{n} مستقبِل",
    },
    "try": {
        "zero": "لا محاولات",
        "one": "محاولة واحدة",
        "two": "محاولتان",
        "few": "{n} محاولات",
        "many": "{n} محاولة",
        "other": "{n} محاولة",
    },
    "callback": {
        "zero": "لا ردود",
        "one": "ردّ واحد",
        "two": "ردّان",
        "few": "{n} ردود",
        "many": "{n} ردّاً",
        "other": "{n} ردّ",
    },
    "provider": {
        "zero": "لا مزوّدين",
        "one": "مزوّد واحد",
        "two": "مزوّدان",
        "few": "{n} مزوّدين",
        "many": "{n} مزوّداً",
        "other": "{n} مزوّد",
    },
    "provider is": {
        "one": "مزوّداً واحداً متوقّف",
        "two": "مزوّدَين متوقّفان",
        "few": "{n} مزوّدين متوقّفون",
        "many": "{n} مزوّداً متوقّفون",
        "other": "{n} مزوّد متوقّفون",
    },
    "kind": {
        "zero": "لا أنواع",
        "one": "نوع واحد",
        "two": "نوعان",
        "few": "{n} أنواع",
        "many": "{n} نوعاً",
        "other": "{n} نوع",
    },
    "gap": {
        "zero": "لا فروق",
        "one": "فرق واحد",
        "two": "فرقان",
        "few": "{n} فروق",
        "many": "{n} فرقاً",
        "other": "{n} فرق",
    },
    "route": {
        "zero": "لا مسارات",
        "one": "مسار واحد",
        "two": "مساران",
        "few": "{n} مسارات",
        "many": "{n} مساراً",
        "other": "{n} مسار",
    },
}
