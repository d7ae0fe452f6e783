"""The sample's doctors. Any likeness is chance; the addresses belong to reserved domains."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

# Sample doctors are told from real ones by this beginning of their id.
ID_PREFIX = "DEMO-"

FIRST_NAMES = (
    "Aarti Aditya Ajay Akash Amit Amrita Anand Ananya Anil Anita Anjali Anupam Arjun Arun Aruna "
    "Asha Ashok Bhavna Chitra Deepa Deepak Devika Dinesh Divya Farah Gauri Geeta Girish Gopal "
    "Gurpreet Harish Harpreet Imran Indira Ishaan Jaya Jayesh John Kabir Kalpana Karthik Kavita "
    "Kiran Lakshmi Lata Madhavi Mahesh Manish Manjula Mary Meera Mohan Mohit Mukesh Nandini "
    "Naveen Neha Nikhil Nisha Nitin Padma Pallavi Pooja Prakash Pramod Prasad Preeti Priya "
    "Rahul Rajesh Rakesh Ramesh Ravi Rekha Ritu Rohan Rohit Sachin Salma Sameer Sandeep Sangeeta "
    "Sanjay Sapna Saritha Seema Shabana Shalini Shilpa Shreya Shweta Siddharth Smita Sneha Sunil "
    "Sunita Suresh Swati Tanvi Tariq Thomas Uma Usha Vandana Varun Vidya Vijay Vikram Vinod Yasmin"
).split()
LAST_NAMES = (
    "Agarwal Ahmed Ali Anand Bajaj Banerjee Basu Bhat Bhatt Bhattacharya Bose Chakraborty Chandra "
    "Chatterjee Chauhan Choudhary Das Dasgupta Desai Deshmukh Deshpande Dixit Dutta Fernandes Gandhi "
    "Ghosh Gill Gokhale Goyal Gupta Hegde Hussain Iyengar Iyer Jadhav Jain Jha Joseph Joshi "
    "Kamath Kapoor Kaur Khan Khanna Khurana Kohli Krishnan Kulkarni Kumar Kurian Lobo Mahajan "
    "Malhotra Mathew Mehta Menon Mishra Mukherjee Murthy Naidu Nair Nambiar Naik Pandey Patel "
    "Patil Pillai Prabhu Prasad Raghavan Raman Rane Rao Rastogi Rathore Reddy Roy Sarkar Saxena "
    "Sen Sethi Shah Sharma Shenoy Shetty Siddiqui Singh Sinha Sood Srinivasan Subramanian "
    "Thakur Thomas Tiwari Tripathi Varghese Varma Verma Yadav"
).split()

# With how many doctors in a hundred work there.
CITIES = {
    "Mumbai": 15,
    "Delhi": 14,
    "Bengaluru": 12,
    "Chennai": 10,
    "Hyderabad": 10,
    "Kolkata": 9,
    "Pune": 8,
    "Ahmedabad": 6,
    "Kochi": 5,
    "Lucknow": 4,
    "Nagpur": 4,
}
ABROAD = {
    "Dubai": "Asia/Dubai",
    "Kathmandu": "Asia/Kathmandu",
    "London": "Europe/London",
    "Singapore": "Asia/Singapore",
}
SHARE_ABROAD = 0.04
SPECIALTIES = {
    "General Medicine": 30,
    "Cardiology": 14,
    "Paediatrics": 14,
    "Endocrinology": 10,
    "Obstetrics and Gynaecology": 12,
    "Pulmonology": 10,
    "Orthopaedics": 6,
    "Psychiatry": 4,
}
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
# The ways in which people write an Indian mobile number.
PHONE_FORMS = ("+91{0}{1}", "{0} {1}", "0{0}{1}", "+91-{0}-{1}", "+91 {0} {1}")
# Series of 100,000 numbers each that libphonenumber takes for Indian mobiles.
PHONE_SERIES = range(90000, 90100)
MOST_DOCTORS = 100_000


class Role(StrEnum):
    """What kind of user of the platform a doctor is."""

    DEVOTED = "devoted"  # agents, courses, sessions: those whom others hear of
    ASKER = "asker"  # asked AiDA and fell silent
    LEARNER = "learner"  # started a course and fell silent
    LISTENER = "listener"  # registers for sessions
    SILENT = "silent"  # registered, and that was it


SHARES = {
    Role.DEVOTED: 18,
    Role.ASKER: 17,
    Role.LEARNER: 13,
    Role.LISTENER: 19,
    Role.SILENT: 33,
}


@dataclass(frozen=True, slots=True)
class Person:
    """One doctor as the file of doctors tells it, and which role they play."""

    doctor_id: str
    role: Role
    first_name: str
    last_name: str
    email: str
    phone: str
    whatsapp: str
    specialty: str
    city: str
    timezone: str
    may_be_named: bool


def people(count: int, chance: Random) -> list[Person]:
    """`count` doctors; no two share an address."""
    roles = chance.choices(list(SHARES), list(SHARES.values()), k=count)
    places = chance.choices(list(CITIES), list(CITIES.values()), k=count)
    fields = chance.choices(list(SPECIALTIES), list(SPECIALTIES.values()), k=count)
    numbers = _numbers(2 * count, chance)
    return [
        _person(place, *drawn, (numbers[2 * place], numbers[2 * place + 1]), chance)
        for place, drawn in enumerate(zip(roles, places, fields, strict=True))
    ]


def phone(number: tuple[int, int], form: str) -> str:
    """A number (its two halves) in one of PHONE_FORMS."""
    return form.format(f"{number[0]:05}", f"{number[1]:05}")


def _numbers(count: int, chance: Random) -> list[tuple[int, int]]:
    """Different mobile numbers, as two halves of five digits."""
    span = len(PHONE_SERIES) * 100_000
    drawn = chance.sample(range(span), count)
    return [(PHONE_SERIES[number // 100_000], number % 100_000) for number in drawn]


def _person(
    place: int,
    role: Role,
    city: str,
    specialty: str,
    numbers: tuple[tuple[int, int], tuple[int, int]],
    chance: Random,
) -> Person:
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    timezone = ""
    if chance.random() < SHARE_ABROAD:
        city, timezone = chance.choice(list(ABROAD.items()))
    domain = chance.choice(MAIL_DOMAINS)
    # One in a hundred can be reached in no way at all.
    has_mail, has_phone = chance.random() > 0.06, chance.random() > 0.04
    if chance.random() < 0.01:
        has_mail = has_phone = False
    form = chance.choice(PHONE_FORMS)
    return Person(
        doctor_id=f"{ID_PREFIX}{place + 1:06}",
        role=role,
        first_name=f"Dr. {first}" if chance.random() < 0.03 else first,
        last_name=last,
        email=f"{first}.{last}.{place + 1}@{domain}".lower() if has_mail else "",
        phone=phone(numbers[0], form) if has_phone else "",
        whatsapp=phone(numbers[1], form) if has_phone and chance.random() < 0.05 else "",
        specialty=specialty,
        city=city,
        timezone=timezone,
        may_be_named=chance.random() < (0.7 if role is Role.DEVOTED else 0.4),
    )
